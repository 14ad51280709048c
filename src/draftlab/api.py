"""draftlab in two lines of Python: `generate` one text, or `run` an experiment and `measure` it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from draftlab.adaptive import Adaptive
from draftlab.bench.clock import WallClock
from draftlab.bench.recorder import record
from draftlab.bench.run import Observer, run_bench
from draftlab.build import known_costs, prepare_bench
from draftlab.chance import make_chance
from draftlab.decoding import room_after
from draftlab.errors import DraftlabError
from draftlab.events import Event
from draftlab.metrics import Counts, block_efficiency
from draftlab.records import Rounds
from draftlab.report.notebook import Piece, text_html
from draftlab.report.origins import places
from draftlab.report.run_view import RunView
from draftlab.serving.prepare import serve_bench
from draftlab.spec import Experiment, Gamma, make_experiment
from draftlab.store import Store
from draftlab.streaming import pieces
from draftlab.suites import Prompt
from draftlab.types import StopReason
from draftlab.workbench import DEFAULT_NEW_TOKENS, Workbench

Listener = Callable[[Event, Workbench], None]


@dataclass(frozen=True)
class Generation:
    """One text, and how it came about. A notebook shows it coloured by origin."""

    prompt: str
    """As it was given."""
    text: str
    tokens: list[int]
    """The new ids; a stop token is the last of them."""
    num_rounds: int
    num_drafted: int
    num_accepted: int
    stop: StopReason | None
    decode_s: float
    rounds: Rounds
    """Drafted, accepted and emitted tokens, an entry per round."""
    pieces: list[str]
    """What each token added to the text; a character spread over several tokens is whole in the last of them."""

    @property
    def summary(self) -> str:
        """How fast it was and what drafting brought, in one line."""
        speed = f" ({len(self.tokens) / self.decode_s:.1f} tokens/s)" if self.decode_s else ""
        tau = block_efficiency(Counts(rounds=self.num_rounds, accepted=self.num_accepted))
        return (
            f"{len(self.tokens)} tokens in {self.decode_s:.2f} s{speed}; {self.num_rounds} rounds, tau {tau:.2f}; "
            f"{self.num_accepted} of {self.num_drafted} drafted tokens accepted; ended by: {self.stop}"
        )

    def document(self) -> dict[str, Any]:
        """What `generate --json` prints."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"rounds": self.rounds.model_dump()}

    def _repr_html_(self) -> str:
        found = [Piece(text, place) for text, place in zip(self.pieces, places(self.rounds), strict=True)]
        return text_html(self.prompt, found, self.summary)


def generate(
    prompt: str,
    *,
    target: str,
    drafter: str = "ngram",
    gamma: Gamma = 5,
    chat: bool = False,
    listen: Listener | None = None,
    say: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> Generation:
    """Decode one text speculatively; with gamma "auto" a round drafts as many tokens as pay.

    `settings` are those of `Experiment`: max_new_tokens, temperature, seed, ...
    """
    if not prompt.strip():
        raise DraftlabError("the prompt is empty", "Give it at least one word.")
    experiment = make_experiment({"target": target, "drafters": (drafter,), "gammas": (gamma,), **settings})
    with closing(Workbench.open(experiment, say)) as bench:
        return _generate(bench, prompt, chat, listen)


def _generate(bench: Workbench, prompt: str, chat: bool, listen: Listener | None) -> Generation:
    experiment = bench.experiment
    (drafter,), (gamma,) = experiment.drafters, experiment.gammas
    messages = ({"role": "user", "content": prompt},) if chat else None
    tokens = bench.encode(Prompt(id="prompt", prompt=None if chat else prompt, messages=messages))
    asked = experiment.max_new_tokens or DEFAULT_NEW_TOKENS
    room_after(bench.target.model, tokens, asked)  # refused before a drafter is loaded
    built = bench.drafter(drafter)
    decoder = bench.decoder(built, Adaptive(bench.costs(built)) if gamma == "auto" else gamma)
    chance = make_chance(experiment.seed, decoder.rule.coupled)
    events = decoder.decode(tokens, max_new_tokens=asked, chance=chance)
    if listen is not None:
        events = _overheard(events, listen, bench)
    recording = record(events, WallClock(bench.target.synchronize))
    return Generation(
        prompt=prompt,
        text=bench.target.tokenizer.decode(recording.tokens),
        tokens=list(recording.tokens),
        num_rounds=len(recording.rounds.drafted),
        num_drafted=sum(recording.rounds.drafted),
        num_accepted=sum(recording.rounds.accepted),
        stop=recording.stop,
        decode_s=recording.decode_ns / 1e9,
        rounds=recording.rounds,
        pieces=pieces(bench.target.tokenizer.decode, recording.tokens),
    )


def _overheard(events: Iterator[Event], listen: Listener, bench: Workbench) -> Iterator[Event]:
    for event in events:
        listen(event, bench)
        yield event


def run(
    experiment: Experiment,
    folder: str | Path,
    *,
    resume: bool = False,
    observer: Observer | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> RunView:
    """Run an experiment into `folder`; what a resumed run already has is not done again."""
    if experiment.engine == "endpoint":
        with serve_bench(experiment, say) as served:
            return RunView(run_bench(served, Path(folder), resume=resume, observer=observer).folder)
    if experiment.engine != "draftlab":
        raise DraftlabError(
            f"engine {experiment.engine} has to be started", "Use draftlab.managed.run.run_managed, or draftlab bench."
        )
    costs = known_costs(Store.open(Path(folder)).manifest()) if resume else None
    with closing(prepare_bench(experiment, say, costs)) as prepared:
        return RunView(run_bench(prepared, Path(folder), resume=resume, observer=observer).folder)
