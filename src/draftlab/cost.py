"""What a round costs: the times of draft, target pass and the rest, as functions of the draft's length and the text's.

Fitted to rounds that were watched (`records.Phases`). Each length that was seen has its own time, so that the step from
one row to two, where other kernels take over, stays a step; lengths between are interpolated, and a text that grows
makes each part dearer by so much a token. Programs beside this one only ever make a round slower, some of them much:
all figures are medians, and growth is the slope of Theil (1950) and Sen (1968).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median, median_low

import numpy as np

from draftlab.errors import DraftlabError
from draftlab.records import Phases

_FEW = 3  # a median of fewer is no protection from a slow moment
_LEAST_SPREAD = 48  # tokens between the shortest text and the longest: below that a slope is mostly noise
_LEAST_ROUNDS = 12
_MOST_ROUNDS = 400  # the slopes of all pairs are looked at


@dataclass(frozen=True, slots=True)
class Curve:
    """A time in nanoseconds by size, at a text of `context` tokens, and how it grows with the text."""

    sizes: tuple[int, ...]
    times: tuple[float, ...]
    context: float
    slope: float = 0.0
    """Nanoseconds for each further token of the text."""
    slope_of_one: float | None = None
    """The same at size 1, where other kernels may run; None: `slope`."""
    slope_is_per_size: bool = False
    """Whether `slope` is that of each unit of size, as where a draft of n tokens takes n passes."""

    def __call__(self, size: int, context: float) -> float:
        """Interpolated between the sizes seen; beyond the largest it goes on as between the last two."""
        if size > self.sizes[-1] and len(self.sizes) > 1:
            step = (self.times[-1] - self.times[-2]) / (self.sizes[-1] - self.sizes[-2])
            at = self.times[-1] + max(0.0, step) * (size - self.sizes[-1])
        else:
            at = float(np.interp(size, self.sizes, self.times))
        return max(0.0, at + self.growth(size) * (context - self.context))

    def growth(self, size: int) -> float:
        """Nanoseconds for each further token of the text, at this size."""
        if size == 1 and self.slope_of_one is not None:
            return self.slope_of_one
        return self.slope * size if self.slope_is_per_size else self.slope


@dataclass(frozen=True, slots=True)
class CostModel:
    """The cost of a round of one drafter before one target, in nanoseconds."""

    target: Curve
    """By rows."""
    draft: Curve
    """By drafted tokens, for a drafter that has only the pending token to catch up with."""
    rest: Curve
    """By drafted tokens."""
    catch_up: float = 0.0
    """What a draft costs more after one that was accepted in full, whose last token the drafter has not read yet."""
    plain_extra: float | None = None
    """What an ordinary step of the baseline has beside the target's pass; None: as a round that drafts nothing."""

    def round_ns(self, num_drafted: int, context: float, *, catches_up: bool = False) -> float:
        """A round that drafts so many tokens (0: an ordinary step) when the text has `context` tokens."""
        late = self.catch_up if catches_up and num_drafted else 0.0
        return (
            self.target(num_drafted + 1, context)
            + self.draft(num_drafted, context)
            + late
            + self.rest(num_drafted, context)
        )

    def plain_ns(self, context: float) -> float:
        """A step of plain decoding, which asks no drafter."""
        if self.plain_extra is None:
            return self.round_ns(0, context)
        return self.target(1, context) + self.plain_extra


@dataclass(frozen=True, slots=True)
class _Sample:
    """One part of one watched round."""

    context: int
    time: int
    rank: int = 0
    """Those of rank 0 are what a size usually costs; others stand in where there are few of them."""


_Samples = Mapping[int, Sequence[_Sample]]


@dataclass(frozen=True, slots=True)
class _Watched:
    num_drafted: int
    context: int
    is_plain: bool
    is_first: bool
    catches_up: bool
    follows_draft: bool
    times: tuple[int, int, int]

    def draft_rank(self) -> int:
        # After a round without a draft a model has more to catch up with than in a decode that always drafts.
        return 3 if self.is_first or self.is_plain else 2 if not self.follows_draft else 1 if self.catches_up else 0


def fit(phases: Iterable[Phases], plain: str | None = None) -> CostModel:
    """Fit to watched rounds of the baseline and of one drafter, whose draft lengths may vary; failed ones are left out.

    `plain` is the baseline's arm, whose steps ask no drafter; None: a decode that drafts nothing is taken for one.
    Raises `DraftlabError` where no round drafts nothing: then the time of a one-row pass, of which all other costs are
    multiples, is not known. Sizes seen fewer than three times are interpolated where others surround them. What is not
    seen at all is no better than a straight line: fit to drafts of length 1 where the step to two rows matters.
    """
    rounds = [watched for decode in phases for watched in _rounds(decode, plain)]
    if not any(watched.num_drafted == 0 for watched in rounds):
        raise DraftlabError(
            f"costs cannot be fitted to {len(rounds)} watched rounds of which none is an ordinary step",
            "Watch the baseline as well (bench --phases).",
        )
    target, draft, rest = (defaultdict[int, list[_Sample]](list) for _ in range(3))
    for watched in rounds:
        num, at = watched.num_drafted, watched.context
        draft_ns, target_ns, rest_ns = watched.times
        # The first round of a decode may wait for kernels of a new shape.
        target[num + 1].append(_Sample(at, target_ns, int(watched.is_first)))
        draft[num].append(_Sample(at, draft_ns, watched.draft_rank()))
        rest[num].append(_Sample(at, rest_ns, 2 if watched.is_plain else int(watched.is_first)))
    curve = _curve(draft, per_size=True)
    steps = [watched.times[0] + watched.times[2] for watched in rounds if watched.is_plain]
    return CostModel(
        target=_curve(target, one_apart=True),
        draft=curve,
        rest=_curve(rest),
        catch_up=_catch_up(draft, curve),
        plain_extra=median(steps) if steps else None,
    )


def _rounds(decode: Phases, plain: str | None) -> Iterator[_Watched]:
    if decode.error is not None:
        return
    drafted, accepted = decode.rounds.drafted, decode.rounds.accepted
    lengths = accumulate(decode.rounds.emitted, initial=decode.prompt_tokens)
    times = zip(decode.draft_ns, decode.target_ns, decode.rest_ns, strict=True)
    is_plain = not any(drafted) if plain is None else decode.arm == plain
    for i, (num, context, took) in enumerate(zip(drafted, lengths, times, strict=False)):
        follows = i == 0 or drafted[i - 1] > 0
        catches_up = i > 0 and follows and accepted[i - 1] == drafted[i - 1]
        yield _Watched(num, context, is_plain, i == 0, catches_up, follows, took)


def _usual(samples: Sequence[_Sample]) -> list[_Sample]:
    """Those of the lowest ranks that are enough for a median."""
    for rank in sorted({sample.rank for sample in samples}):
        chosen = [sample for sample in samples if sample.rank <= rank]
        if len(chosen) >= _FEW:
            return chosen
    return list(samples)


def _curve(samples: _Samples, *, one_apart: bool = False, per_size: bool = False) -> Curve:
    known = _well_known({size: _usual(seen) for size, seen in samples.items()})
    at = median([sample.context for seen in known.values() for sample in seen])
    several = {size: seen for size, seen in known.items() if size > (1 if one_apart else 0)}
    of_one = _slope({1: known[1]}, False) if one_apart and 1 in known else None
    slope = _slope(several, per_size, otherwise=of_one or 0.0)
    shape = Curve((0,), (0.0,), at, slope, of_one, per_size)
    times = {
        size: median_low([max(0.0, sample.time - shape.growth(size) * (sample.context - at)) for sample in seen])
        for size, seen in known.items()
    }
    return Curve(tuple(sorted(times)), tuple(times[size] for size in sorted(times)), at, slope, of_one, per_size)


def _well_known(samples: Mapping[int, list[_Sample]]) -> dict[int, list[_Sample]]:
    """Without sizes that were seen too seldom, unless they are the smallest or the greatest."""
    ends = (min(samples), max(samples))
    return {size: seen for size, seen in samples.items() if len(seen) >= _FEW or size in ends}


def _slope(samples: Mapping[int, list[_Sample]], per_size: bool, otherwise: float = 0.0) -> float:
    """How times grow with the text, sizes pooled after each has lost its median; 0 where that cannot be told from 0.

    `otherwise` where there are too few rounds to look at, or all at texts of nearly one length.
    """
    contexts: list[float] = []
    times: list[float] = []
    for size, seen in samples.items():
        middle, usual = median(s.context for s in seen), median(s.time for s in seen)
        contexts += [s.context - middle for s in seen]
        times += [(s.time - usual) / (size if per_size else 1) for s in seen]
    if len(times) < _LEAST_ROUNDS or max(contexts) - min(contexts) < _LEAST_SPREAD:
        return otherwise
    from scipy.stats import theilslopes  # half a second to load, which not every command should wait for

    some = slice(None, None, -(-len(times) // _MOST_ROUNDS))
    with np.errstate(invalid="ignore"):  # no interval where nearly all times are equal: then they do not grow
        found = theilslopes(times[some], contexts[some])
    return float(found.slope) if found.low_slope > 0 else 0.0


def _catch_up(draft: _Samples, curve: Curve) -> float:
    """The median of what drafts after a full acceptance cost above others of their length."""
    more = [
        sample.time - curve(size, sample.context)
        for size, seen in draft.items()
        if size and sum(sample.rank == 0 for sample in seen) >= _FEW
        for sample in seen
        if sample.rank == 1
    ]
    return max(0.0, median(more)) if len(more) >= _FEW else 0.0
