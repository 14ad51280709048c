"""What a round costs outside the models' forward passes, as a share of the run.

    python benchmarks/loop_cost.py smollm2-135m-instruct model:DRAFTER [--gamma 4] [--prompts 3] [--max-new-tokens 32]

The forward passes of target and drafter are timed one by one; all else between the prefill and the end of a text is the
loop's own: sampling, the rule, caches that are cut back, lookups. Plain decoding, prompt lookup and the drafter are
measured greedily, at temperature 0.8, and there with top-k 50 and top-p 0.95 too; over the model's vocabulary and over
one of 151,936 words (`--vocabulary`), which large models have and small ones with short passes seldom do. For that one,
rows are lengthened by the same logits less 10, so that the added words have 1/10,000 of the mass; one that is drawn is
read as the word whose logit it copies. What the lengthening takes is left out of the run's time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import torch
from passes import rotated
from rich.table import Table
from torch import Tensor

from draftlab.bench.clock import WallClock
from draftlab.bench.environment import describe_environment
from draftlab.bench.recorder import record
from draftlab.chance import make_chance
from draftlab.decoding import Decoder
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.errors import DraftlabError
from draftlab.events import Event, Prefilled
from draftlab.machine_name import machine_of
from draftlab.report.printable import printable_line
from draftlab.report.terminal import open_console
from draftlab.sampling import Warper
from draftlab.spec import Sampling, make_experiment
from draftlab.suites import load_suites
from draftlab.types import Drafter, LanguageModel
from draftlab.workbench import Workbench

SAMPLINGS = {
    "greedy": Sampling(),
    "t .8": Sampling(temperature=0.8),
    "t .8, k 50, p .95": Sampling(temperature=0.8, top_k=50, top_p=0.95),
}
_LOWER = 10.0  # the added logits, than those that they copy


class Stopwatch:
    """The time that was spent in passes, and what belongs to no run."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.passes_ns = self.foreign_ns = 0


class TimedModel:
    """A model whose passes are timed, and whose rows are lengthened to `vocab_size`."""

    def __init__(self, model: LanguageModel, vocab_size: int, watch: Stopwatch, wait: WallClock) -> None:
        self._model, self._watch, self._wait = model, watch, wait
        self.name, self.context_length = model.name, model.context_length
        self.vocab_size = vocab_size

    @property
    def length(self) -> int:
        return self._model.length

    def reset(self, capacity: int | None = None) -> None:
        self._model.reset(capacity)

    def rollback(self, length: int) -> None:
        self._model.rollback(length)

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        own = self._model.vocab_size
        asked = [token % own for token in tokens]
        start = self._wait.now_ns()
        logits = self._model.forward(asked, num_rows)
        done = self._wait.now_ns()
        self._watch.passes_ns += done - start
        while logits.shape[1] < self.vocab_size:
            rest = self.vocab_size - logits.shape[1]
            logits = torch.cat([logits, logits[:, : min(own, rest)] - _LOWER], dim=1)
        self._watch.foreign_ns += perf_counter_ns() - done
        return logits


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians over the prompts. Times in ns."""

    vocabulary: int
    arm: str
    sampling: str
    round_ns: float
    passes_ns: float
    outside_ns: float
    share: float
    """Of the run's time that lies outside of passes."""


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    settings = {"target": asked.target, "drafters": (asked.drafter,), "gammas": (asked.gamma,), "ignore_eos": True}
    bench = Workbench.open(make_experiment({**settings, "device": asked.device, "dtype": asked.dtype}), say=print)
    drafter = bench.drafter(asked.drafter)
    if not isinstance(drafter, ModelDrafter):
        raise DraftlabError(f"drafter '{asked.drafter}' makes no passes that can be timed", "Give model:NAME.")
    own = bench.target.model.vocab_size
    costs = measure(bench, drafter.model, [own, asked.vocabulary] if asked.vocabulary > own else [own], asked)

    environment = describe_environment()
    print(f"\n{date.today().isoformat()}, {machine_of(environment)}")
    show(asked.target, asked.drafter, costs)
    if asked.json:
        found = {"date": date.today().isoformat(), "environment": environment, "costs": [asdict(c) for c in costs]}
        Path(asked.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def measure(bench: Workbench, model: LanguageModel, widths: Sequence[int], asked: argparse.Namespace) -> list[Cost]:
    """Every arm with every sampling and vocabulary on every prompt, in rotated order."""
    prompts = [prompt for suite in load_suites(("code", "prose"), asked.prompts) for prompt in suite.prompts]
    arms = {
        "plain": 0,
        f"ngram, gamma {asked.lookup_gamma}": asked.lookup_gamma,
        f"model, gamma {asked.gamma}": asked.gamma,
    }
    cells = [(width, arm, sampling) for width in widths for arm in arms for sampling in SAMPLINGS]
    found: dict[tuple[int, str, str], list[Cost]] = {cell: [] for cell in cells}
    for turn, prompt in enumerate([prompts[0], *prompts]):  # the first once more, to warm up
        for width, arm, name in rotated(cells, turn):
            watch = Stopwatch()
            sampling, clock = SAMPLINGS[name], WallClock(bench.target.synchronize)
            target, small = (TimedModel(m, width, watch, clock) for m in (bench.target.model, model))
            drafters: list[Drafter] = [NoDrafter(), NgramDrafter(), ModelDrafter(small, Warper(sampling, "drafter"))]
            decoder = bench.decoder(drafters[list(arms).index(arm)], arms[arm])
            decoder = replace(decoder, target=target, warp=Warper(sampling, "target"))
            share = decode(decoder, bench.encode(prompt), asked.max_new_tokens, watch, clock)
            if turn:
                found[width, arm, name].append(Cost(width, arm, name, *share))
    return [summarise(costs) for costs in found.values()]


def decode(
    decoder: Decoder, prompt: Sequence[int], max_new_tokens: int, watch: Stopwatch, clock: WallClock
) -> tuple[float, float, float, float]:
    """Time per round, of it in passes and outside of them, and the share of the latter."""
    events = decoder.decode(prompt, max_new_tokens=max_new_tokens, chance=make_chance(0, decoder.rule.coupled))
    recording = record(_after_prefill(events, watch), clock)
    total, rounds = recording.decode_ns - watch.foreign_ns, len(recording.rounds.drafted)
    outside = total - watch.passes_ns
    return total / rounds, watch.passes_ns / rounds, outside / rounds, outside / total


def _after_prefill(events: Iterator[Event], watch: Stopwatch) -> Iterator[Event]:
    for event in events:
        if isinstance(event, Prefilled):
            watch.restart()
        yield event


def summarise(costs: Sequence[Cost]) -> Cost:
    """The medians of one cell."""
    names = ("round_ns", "passes_ns", "outside_ns", "share")
    return replace(costs[0], **{name: median(getattr(cost, name) for cost in costs) for name in names})


def show(target: str, drafter: str, costs: Sequence[Cost]) -> None:
    """A row for each cell."""
    table = Table(title=printable_line(f"{target}, {drafter}: medians over the prompts"), title_justify="left")
    for name in ("vocabulary", "arm", "sampling"):
        table.add_column(name)
    for name in ("ms a round", "in passes", "outside", "share"):
        table.add_column(name, justify="right")
    for i, cost in enumerate(costs):
        times = (f"{ns / 1e6:.2f}" for ns in (cost.round_ns, cost.passes_ns, cost.outside_ns))
        last = (i + 1) % len(SAMPLINGS) == 0
        table.add_row(f"{cost.vocabulary}", cost.arm, cost.sampling, *times, f"{cost.share:.1%}", end_section=last)
    open_console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("drafter", help="model:NAME")
    parser.add_argument("--gamma", type=int, default=4, help="of the drafter")
    parser.add_argument("--lookup-gamma", type=int, default=5, help="of prompt lookup")
    parser.add_argument("--prompts", type=int, default=3, help="of each of code and prose")
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--vocabulary", type=int, default=151_936, help="of the wider rows; 0: none")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--json", help="write the numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
