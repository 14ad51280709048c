"""What a round costs by the number of drafted tokens, measured in a second or two before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import monotonic_ns

from scipy.optimize import isotonic_regression

from draftlab.bench.clock import WallClock
from draftlab.bench.recorder import record_phases
from draftlab.chance import make_chance
from draftlab.cost import fit
from draftlab.decoding import Decoder
from draftlab.draft_length import InTurn
from draftlab.events import Committed, Event
from draftlab.records import Phases
from draftlab.stopping import Stopping
from draftlab.types import Draft, Drafter, LanguageModel, Rng, Round

SAMPLE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n\n\n"
"""It repeats itself, so that a drafter which looks for repetitions finds some."""
FEWEST, MOST = 3, 6
"""How often each length is timed at least, and at most."""
ENOUGH_NS = 2 * 10**9
_CONTEXT_SHARE = 4  # the sample may fill a quarter of a short context


def measure_costs(decoder: Decoder, encode: Callable[[str], list[int]], clock: WallClock) -> tuple[int, ...]:
    """In nanoseconds, for 0, 1, ... tokens, as many as `decoder` ever drafts.

    Rounds of few lengths take turns, so that a machine that slows down does so for all of them; each is seen once for
    nothing, as its first pass may have to prepare. Between them the costs are interpolated, and a round that drafts
    more never costs less: where it was measured so, that was noise.
    """
    lengths = _lengths(decoder.draft_length.most)
    decoder = replace(decoder, drafter=_Offering(decoder.drafter), stopping=Stopping())
    prompt = _fitting(decoder.target, encode(SAMPLE))
    _watch(decoder, prompt, lengths, clock, 1, 1)
    seen = _watch(decoder, prompt, lengths, clock, FEWEST, MOST)
    model = fit([seen])
    found = [model.round_ns(num, len(prompt)) for num in range(decoder.draft_length.most + 1)]
    return tuple(max(1, round(ns)) for ns in isotonic_regression(found).x)


def _lengths(most: int) -> list[int]:
    """0, then each power of two, and `most`; 1 twice, as a draft right after none has more to catch up with."""
    powers = [2**i for i in range(most.bit_length()) if 2**i < most]
    return [0, *([1] if most else []), *powers, *([most] if most else [])]


def _fitting(target: LanguageModel, tokens: list[int]) -> list[int]:
    limit = target.context_length
    return tokens if limit is None else tokens[: max(1, limit // _CONTEXT_SHARE)]


def _watch(
    decoder: Decoder, prompt: Sequence[int], lengths: Sequence[int], clock: WallClock, fewest: int, most: int
) -> Phases:
    """Rounds of each length in turn, `fewest` times and then until it has taken long enough."""
    policy = InTurn(lengths, hold=1)
    events = replace(decoder, draft_length=policy).decode(
        prompt,
        max_new_tokens=most * sum(length + 1 for length in lengths),
        chance=make_chance(0, decoder.rule.coupled),
    )
    return record_phases(_limited(events, len(lengths), fewest, most), clock, "", "")


def _limited(events: Iterator[Event], cycle: int, fewest: int, most: int) -> Iterator[Event]:
    start, num_rounds = monotonic_ns(), 0
    for event in events:
        yield event
        num_rounds += isinstance(event, Committed)
        cycles = num_rounds / cycle
        if cycles >= most or (cycles >= fewest and monotonic_ns() - start > ENOUGH_NS):
            return


class _Offering:
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
