"""A pair as draftlab drives it: its passes, its drafts and its rounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.events import Committed, Event, Prefilled
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Drafter, LanguageModel, Round

from .imposed import ImposedAcceptance
from .setting import Setting
from .timing import busy_seconds, seconds, synchronize


@dataclass(frozen=True)
class Speed:
    """One decode, without its prompt."""

    seconds: float
    rounds: list[Round]

    @property
    def round_seconds(self) -> float:
        return self.seconds / len(self.rounds)

    @property
    def tokens_per_second(self) -> float:
        return sum(len(outcome.emitted) for outcome in self.rounds) / self.seconds

    @property
    def acceptance_rate(self) -> float | None:
        """Accepted of judged tokens."""
        accepted = sum(outcome.num_accepted for outcome in self.rounds)
        judged = accepted + sum(outcome.num_accepted < outcome.num_drafted for outcome in self.rounds)
        return accepted / judged if judged else None


class Driven:
    """A target and a drafter in one way of driving them."""

    def __init__(self, target: LanguageModel, small: LanguageModel, setting: Setting) -> None:
        self._target = target
        self._drafter = ModelDrafter(small, Warper(Sampling(), small.name, width=target.vocab_size))
        self._setting = setting
        self._prompt = setting.prompt(min(target.vocab_size, small.vocab_size))
        self._plain: list[Speed] = []
        self._drafted: list[Speed] = []

    def decode_both(self, keep: bool = True) -> None:
        """Once plain and once speculatively."""
        for drafter, found in ((NoDrafter(), self._plain), (self._drafter, self._drafted)):
            speed = self._decode(drafter)
            if keep:
                found.append(speed)

    def results(self) -> dict[str, Any]:
        """Everything that was measured, and single passes and drafts, which are measured now. Times are in ms."""
        rows = range(1, self._setting.gamma + 2)
        plain, drafted = (sorted(found, key=lambda s: s.seconds) for found in (self._plain, self._drafted))
        middle = drafted[len(drafted) // 2]
        busy = self._busy_round_seconds()
        return {
            "target_ms": {str(n): 1e3 * self._pass_seconds(self._target, n) for n in rows},
            "drafter_ms": 1e3 * self._pass_seconds(self._drafter.model, 1),
            "draft_ms": 1e3 * self._draft_seconds(),
            "round_ms": 1e3 * median(speed.round_seconds for speed in drafted),
            "device_busy_ms": None if busy is None else 1e3 * busy,
            "host_gap_ms": None if busy is None else 1e3 * (middle.round_seconds - busy),
            "plain_tokens_per_s": median(speed.tokens_per_second for speed in plain),
            "speculative_tokens_per_s": median(speed.tokens_per_second for speed in drafted),
            "rounds": len(middle.rounds),
            "acceptance_rate": middle.acceptance_rate,
        }

    def _decode(self, drafter: Drafter) -> Speed:
        events = self._rounds(drafter)
        start = perf_counter()
        rounds = [event.outcome for event in events if isinstance(event, Committed)]
        synchronize(self._setting.device)
        return Speed(perf_counter() - start, rounds)

    def _rounds(self, drafter: Drafter) -> Iterator[Event]:
        """The events of a decode from the first round on; the prompt is done, and the device idle."""
        rule, warp = ImposedAcceptance(self._setting.acceptance), Warper(Sampling(), self._target.name)
        decoder = Decoder(self._target, drafter, rule, warp, Fixed(self._setting.gamma), Stopping())
        chance = PhiloxChance(self._setting.seed)
        events = decoder.decode(self._prompt, max_new_tokens=self._setting.new_tokens, chance=chance)
        next(event for event in events if isinstance(event, Prefilled))
        synchronize(self._setting.device)
        return events

    def _busy_round_seconds(self) -> float | None:
        """How long the device works in a round; the imposed coins are the same each time, and so are the rounds."""
        rounds: list[Event] = []
        events = self._rounds(self._drafter)
        busy = busy_seconds(lambda: rounds.extend(e for e in events if isinstance(e, Committed)), self._setting.device)
        return busy / len(rounds) if busy is not None else None

    def _pass_seconds(self, model: LanguageModel, rows: int) -> float:
        model.reset(len(self._prompt) + rows)
        model.forward(self._prompt, num_rows=1)

        def undo() -> None:
            model.rollback(len(self._prompt))

        return seconds(lambda: model.forward([1] * rows), undo, self._setting.device, self._setting.times)

    def _draft_seconds(self) -> float:
        """A whole draft, from the text on the host to its tokens on the host."""
        rng, pending = PhiloxChance(self._setting.seed).round(0), len(self._prompt) - 1
        self._drafter.begin(self._prompt)

        def draft() -> None:
            self._drafter.propose(self._prompt, self._setting.gamma, rng)

        def undo() -> None:
            self._drafter.model.rollback(pending)

        return seconds(draft, undo, self._setting.device, self._setting.times)
