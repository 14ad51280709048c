"""What a round costs: the times of draft, target pass and the rest, as functions of the draft's length and the text's.

Fitted to rounds that were watched (`records.Phases`). Each length that was seen has its own time, so that the step from
one row to two, where other kernels take over, stays a step; lengths between are interpolated, and a text that grows
makes each part dearer by so much a token.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

import numpy as np

from draftlab.records import Phases


@dataclass(frozen=True, slots=True)
class Curve:
    """A time in nanoseconds by size, at a text of `context` tokens, and how it grows with the text."""

    sizes: tuple[int, ...]
    times: tuple[float, ...]
    context: float
    slope: float
    """Nanoseconds for each further token of the text."""

    def __call__(self, size: int, context: float) -> float:
        """Interpolated between the sizes seen; beyond the largest it goes on as between the last two."""
        if size > self.sizes[-1] and len(self.sizes) > 1:
            step = (self.times[-1] - self.times[-2]) / (self.sizes[-1] - self.sizes[-2])
            at = self.times[-1] + max(0.0, step) * (size - self.sizes[-1])
        else:
            at = float(np.interp(size, self.sizes, self.times))
        return max(0.0, at + self.slope * (context - self.context))


@dataclass(frozen=True, slots=True)
class CostModel:
    """The cost of a round of one drafter before one target, in nanoseconds."""

    target: Curve
    """By rows."""
    draft: Curve
    """By drafted tokens."""
    rest: Curve
    """By drafted tokens."""

    def round_ns(self, num_drafted: int, context: float) -> float:
        """A round that drafts so many tokens (0: an ordinary step) when the text has `context` tokens."""
        return (
            self.target(num_drafted + 1, context) + self.draft(num_drafted, context) + self.rest(num_drafted, context)
        )


def fit(phases: Iterable[Phases]) -> CostModel:
    """Fit to watched rounds, which have to hold some that draft nothing and some that draft."""
    target, draft, rest = (defaultdict[int, list[tuple[float, float]]](list) for _ in range(3))
    for num, context, after_draft, (draft_ns, target_ns, rest_ns) in _rounds(phases):
        target[num + 1].append((context, target_ns))
        rest[num].append((context, rest_ns))
        # After a round without a draft the drafter has more to catch up with than in a run that always drafts.
        if after_draft or num == 0:
            draft[num].append((context, draft_ns))
    return CostModel(*(_curve(samples) for samples in (target, draft, rest)))


def _rounds(phases: Iterable[Phases]) -> Iterator[tuple[int, int, bool, tuple[int, int, int]]]:
    for decode in phases:
        drafted, emitted = decode.rounds.drafted, decode.rounds.emitted
        lengths = accumulate(emitted, initial=decode.prompt_tokens)
        before = (1, *drafted)
        times = zip(decode.draft_ns, decode.target_ns, decode.rest_ns, strict=True)
        for num, context, previous, took in zip(drafted, lengths, before, times, strict=False):
            yield num, context, previous > 0, took


def _curve(samples: Mapping[int, Sequence[tuple[float, float]]]) -> Curve:
    sizes = sorted(samples)
    everything = [context for size in sizes for context, _ in samples[size]]
    at = median(everything)
    return Curve(tuple(sizes), tuple(median(t for _, t in samples[s]) for s in sizes), at, 0.0)
