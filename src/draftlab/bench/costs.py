"""What a round costs by the number of drafted tokens, measured in a second or two before anything is decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic_ns

from draftlab.adaptive import PRIOR
from draftlab.bench.clock import WallClock
from draftlab.bench.priced_rounds import FEWEST, PricedRounds, smooth
from draftlab.chance import make_chance
from draftlab.cost import CostModel, Curve, fit
from draftlab.decoding import Decoder
from draftlab.draft_length import InTurn
from draftlab.records import Phases
from draftlab.types import LanguageModel

SAMPLE = "def add(a, b):\n    return a + b\n\n\ndef subtract(a, b):\n    return a - b\n\n\n"
"""It repeats itself, so that a drafter which looks for repetitions finds some."""
MOST = 6
"""How often each length is timed at most; at least `FEWEST` times."""
ENOUGH_NS = 2 * 10**9
_CONTEXT_SHARE = 4  # the sample may fill a quarter of a short context


def measure_costs(decoder: Decoder, encode: Callable[[str], list[int]], clock: WallClock) -> tuple[int, ...]:
    """In nanoseconds, for 0, 1, ... tokens, as many as `decoder` ever drafts.

    Rounds of few lengths take turns, so that a machine that slows down does so for all of them; each is seen once for
    nothing, as its first pass may have to prepare.
    """
    lengths = _lengths(decoder.draft_length.most)
    prompt = _fitting(decoder.target, encode(SAMPLE))
    _watch(decoder, prompt, lengths, clock, 1, 1)
    seen = _watch(decoder, prompt, lengths, clock, FEWEST, MOST)
    return costs_of(fit([seen]), decoder.draft_length.most, len(prompt))


def costs_of(model: CostModel, most: int, context: int) -> tuple[int, ...]:
    """Of drafts of 0 to `most` tokens; between the lengths that were timed they are interpolated.

    A round that drafts more never costs less: where it was measured so, that was noise. Plain decoding is exempt, as
    its pass over one row may run other kernels. A draft after one that was accepted in full has a token more to catch
    up with; that is charged as often as n tokens in a row are accepted at the rate that is expected of an unknown
    drafter.
    """
    found = [model.round_ns(num, context) + (PRIOR**num * model.catch_up if num else 0.0) for num in range(most + 1)]
    curve = smooth(Curve(tuple(range(most + 1)), tuple(found), context), first=1)
    return tuple(max(1, round(ns)) for ns in curve.times)


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
    start, cycle = monotonic_ns(), len(lengths)

    def enough(num_rounds: int) -> bool:
        return num_rounds >= fewest * cycle and monotonic_ns() - start > ENOUGH_NS

    rounds = PricedRounds(decoder, InTurn(lengths, hold=1), clock)
    return rounds.watch(prompt, most * cycle, make_chance(0, decoder.rule.coupled), enough=enough)
