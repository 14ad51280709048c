"""Rounds of many lengths in turn, each part of them timed: what costs are fitted to, for tuning and `--gamma auto`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from scipy.optimize import isotonic_regression

from draftlab.bench.clock import WallClock
from draftlab.bench.recorder import record_phases
from draftlab.cost import Curve
from draftlab.decoding import Decoder
from draftlab.draft_length import InTurn
from draftlab.events import Committed, Event
from draftlab.records import Phases
from draftlab.stopping import Stopping
from draftlab.types import Chance, Draft, Drafter, Rng, Round

FEWEST = 3
"""How often each length has to be timed: `cost.fit` interpolates what was seen more seldom."""


@dataclass(frozen=True)
class PricedRounds:
    """Watches rounds of one drafter, each of some lengths in turn; stops do not end its texts."""

    decoder: Decoder
    lengths: InTurn
    clock: WallClock
    name: str = ""

    def watch(
        self,
        prompt: Sequence[int],
        most: int,
        chance: Chance,
        prompt_id: str = "",
        enough: Callable[[int], bool] = lambda num_rounds: False,
    ) -> Phases:
        """`most` rounds of one text, or fewer: where its context ends, or their number is `enough`."""
        decoder = replace(
            self.decoder, drafter=Offering(self.decoder.drafter), draft_length=self.lengths, stopping=Stopping()
        )
        events = decoder.decode(prompt, max_new_tokens=most * (self.lengths.most + 1), chance=chance)
        return record_phases(_first(events, most, enough), self.clock, self.name, prompt_id)


def smooth(curve: Curve, first: int) -> Curve:
    """The nearest curve that never falls from size `first` on: what seems cheaper with more to do is noise.

    Sizes before it are left as they are: other kernels may take over from the second row on, and be faster.
    """
    at = next((i for i, size in enumerate(curve.sizes) if size >= first), len(curve.sizes))
    rest = isotonic_regression(curve.times[at:]).x if curve.times[at:] else ()
    return replace(curve, times=(*curve.times[:at], *map(float, rest)))


class Offering:
    """A drafter that always has something to offer: where it has not, the last token again and again.

    What is timed is its own search and the target's pass, and neither depends on whether a draft is any good.
    """

    def __init__(self, inner: Drafter) -> None:
        self._inner = inner
        self._is_filled = False

    def begin(self, prompt: Sequence[int]) -> None:
        self._inner.begin(prompt)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        draft = self._inner.propose(tokens, limit, rng)
        self._is_filled = not draft.tokens and limit > 0
        return Draft([tokens[-1]] * limit) if self._is_filled else draft

    def observe(self, outcome: Round) -> None:
        # The inner drafter hears of what it drafted, and of nothing else.
        self._inner.observe(Round(0, 0, outcome.emitted) if self._is_filled else outcome)


def _first(events: Iterator[Event], most: int, enough: Callable[[int], bool]) -> Iterator[Event]:
    num_rounds = 0
    for event in events:
        yield event
        if isinstance(event, Committed):
            num_rounds += 1
            if num_rounds >= most or enough(num_rounds):
                return
