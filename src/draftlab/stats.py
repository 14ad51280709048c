"""Intervals for ratios of sums, by a paired bootstrap over prompts (Efron & Tibshirani 1993, chapters 8 and 13).

The prompt is the unit: rounds and repetitions within one are correlated. One set of resamples serves every figure of
a run, so that arms and metrics stay paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]

Sums = tuple[Sequence[float], Sequence[float]]
"""What is summed above and what is summed below, one entry per prompt."""

NUM_RESAMPLES = 10_000
CONFIDENCE = 0.95
MIN_PROMPTS = 6
"""With fewer a nominal 95 % interval covers far less (half with 2 prompts, three quarters with 4): none is given."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; the interval is None where there are too few prompts for one."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self) -> float | None:
        """Half of the interval as a share of the value: 0.02 is plus or minus 2 %."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2 / self.value


def ratio_of_sums(numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
    """sum(numerators) / sum(denominators), one entry per prompt."""
    return _bootstrap([numerators, denominators], lambda above, below: above / below)


def ratio_of_ratios(numerators: Sums, denominators: Sums) -> Estimate:
    """(sum(a) / sum(b)) / (sum(c) / sum(d)) for numerators (a, b) and denominators (c, d), one entry per prompt."""
    return _bootstrap([*numerators, *denominators], lambda a, b, c, d: (a / b) / (c / d))


def ratio_of_products(above: Sequence[Sums], below: Sequence[Sums]) -> Estimate:
    """The product of the ratios of sums in `above` over that of those in `below`, one entry per prompt.

    A change of a speed-up from one run to another has four ratios: numerators and denominators of two speed-ups.
    """
    pairs, num_above = [*above, *below], len(above)

    def statistic(*sums: _Array) -> _Array:
        ratios = [sums[i] / sums[i + 1] for i in range(0, 2 * len(pairs), 2)]
        quotient: _Array = np.prod(ratios[:num_above], axis=0) / np.prod(ratios[num_above:], axis=0)
        return quotient

    return _bootstrap([column for pair in pairs for column in pair], statistic)


def difference_of_ratios(first: Sums, second: Sums) -> Estimate:
    """sum(a) / sum(b) - sum(c) / sum(d) for (a, b) and (c, d), one entry per prompt."""
    return _bootstrap([*first, *second], lambda a, b, c, d: a / b - c / d)


def ratios_of_sums(pairs: Sequence[Sums]) -> list[Estimate]:
    """sum(a) / sum(b) for each (a, b) of `pairs`, one entry per prompt; all of them from one set of resamples.

    For groups that not every prompt has a share in: an interval needs enough prompts with anything below.
    """

    if not pairs:
        return []

    def statistics(*sums: _Array) -> list[_Array]:
        return [above / below for above, below in zip(sums[::2], sums[1::2], strict=True)]

    found = bootstrap([column for pair in pairs for column in pair], statistics)
    enough = [sum(map(bool, below)) >= MIN_PROMPTS for _, below in pairs]
    return [each if many else Estimate(each.value) for each, many in zip(found, enough, strict=True)]


def fastest_shares(costs: Sequence[Sums]) -> list[float] | None:
    """In which share of the resamples sum(a) / sum(b) is the least, for each (a, b); None for too few prompts."""
    if len(costs[0][0]) < MIN_PROMPTS:
        return None
    drawn = _resamples(len(costs[0][0]))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.array([(drawn @ np.asarray(a, float)) / (drawn @ np.asarray(b, float)) for a, b in costs])
    winners = np.nanargmin(np.where(np.isfinite(ratios), ratios, np.inf), axis=0)
    return [float((winners == i).mean()) for i in range(len(costs))]


def win_probability(mine: Sequence[float], theirs: Sequence[float]) -> float | None:
    """In which share of the resamples sum(mine) is less than sum(theirs), one entry per prompt; half where equal."""
    gaps = np.asarray(mine, dtype=float) - np.asarray(theirs, dtype=float)
    if len(gaps) < MIN_PROMPTS:
        return None
    drawn = _resamples(len(gaps)) @ gaps
    return float((drawn < 0).mean() + (drawn == 0).mean() / 2)


def bootstrap(
    columns: Sequence[Sequence[float]], statistics: Callable[..., Sequence[_Array]], *, with_interval: bool = True
) -> list[Estimate]:
    """Statistics of column sums, one entry per prompt, with percentile intervals; None where one is not defined."""
    table = np.asarray(columns, dtype=float).T  # [prompts, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = [float(value) for value in statistics(*table.sum(axis=0))]
        if len(table) < MIN_PROMPTS or not with_interval:
            return [Estimate(value if np.isfinite(value) else None) for value in values]
        drawn = statistics(*(_resamples(len(table)) @ table).T)
    return [_percentiles(value, each) for value, each in zip(values, drawn, strict=True)]


def _percentiles(value: float, drawn: _Array) -> Estimate:
    if not np.isfinite(value):
        return Estimate(None)
    drawn = drawn[np.isfinite(drawn)]  # a resample may happen to hold no judged token at all
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def _bootstrap(columns: Sequence[Sequence[float]], statistic: Callable[..., _Array]) -> Estimate:
    return bootstrap(columns, lambda *sums: [statistic(*sums)])[0]


@lru_cache(maxsize=8)  # a run has few categories, and each its own number of prompts
def _resamples(num_prompts: int) -> _Array:
    """How often each prompt is drawn in each resample: [NUM_RESAMPLES, num_prompts]; the same for the same number."""
    generator = np.random.default_rng(num_prompts)
    return generator.multinomial(num_prompts, np.full(num_prompts, 1 / num_prompts), size=NUM_RESAMPLES)
