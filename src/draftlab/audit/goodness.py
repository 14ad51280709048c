"""Discrete goodness of fit: Pearson's test over cells of known probability, its power, and the total variation.

With cells of probability p and a law that is d off, Pearson's statistic of n samples is close to a noncentral
chi-square with noncentrality n * sum(d^2 / p). By Cauchy and Schwarz sum(d^2 / p) >= (sum |d|)^2 = 4 TV^2, so the power
against *any* law at a total variation of `tv` over the cells is at least that at noncentrality 4 n tv^2.

An accusation is never left to the chi-square law, whose tail is too thin where cells are rare: where it gives a small
p-value, the statistic is held against samples drawn from the cells themselves.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from draftlab.audit.law import Array, Text

LEAST_EXPECTED = 5.0
"""Cells with fewer expected samples are pooled."""
MOST_CELLS = 32
"""More would cost power against broad deviations; what is beyond stands in the pool."""
_CONFIDENCE = 0.95
_SUSPICIOUS = 0.02  # below this p-value of the chi-square law the cells are simulated
_NOTHING = 1e-9  # less mass than this is rounding: such a text cannot be written

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fit:
    """One test: so many samples over cells of known probability."""

    num_samples: int
    num_cells: int
    statistic: float
    p_value: float
    total_variation: float
    """Over these cells. The cells are chosen on one half of the samples and measured on the other, so that the estimate
    is not biased upwards by them; it is cut off at 0."""
    low: float
    high: float


def fit(
    samples: Sequence[Text],
    cells: Mapping[Text, float],
    finest: float = 1e-3,
    is_impossible: Callable[[Text], bool] = lambda _: False,
) -> Fit:
    """Hold `samples` against `cells`; all that is in no cell, or expected too rarely, is one more cell.

    `finest` is the smallest p-value that has to be told from smaller ones. One impossible sample is proof.
    """
    num = len(samples)
    names, mass = _pool(cells, num)
    halves = [_count(samples[start::2], names) for start in (0, 1)]
    counts = halves[0] + halves[1]
    possible = mass > 0.0
    degrees = max(1, int(possible.sum()) - 1)
    if counts[~possible].any() or any(map(is_impossible, set(samples))):
        statistic, p_value = math.inf, 0.0
    else:
        statistic = float(_statistic(counts[possible], mass[possible]))
        p_value = float(stats.chi2.sf(statistic, degrees)) if possible.sum() > 1 else 1.0
        if p_value < _SUSPICIOUS:
            p_value = _simulated(statistic, mass[possible], num, finest)
    value, error = _total_variation(halves, mass)
    z = float(stats.norm.ppf((1 + _CONFIDENCE) / 2))
    return Fit(
        num_samples=num,
        num_cells=int(possible.sum()),
        statistic=statistic,
        p_value=p_value,
        total_variation=max(0.0, value),
        low=max(0.0, value - z * error),
        high=max(_largest_variation(statistic, degrees, num), min(1.0, value + z * error)),
    )


def samples_needed(tv: float, power: float, level: float, num_cells: int = MOST_CELLS + 1) -> int:
    """How many samples find any law at `tv` over `num_cells` cells with probability `power`, at `level` of one test."""
    return math.ceil(_noncentrality(power, level, num_cells - 1) / (4 * tv**2))


def detectable(num_samples: int, power: float, level: float, num_cells: int = MOST_CELLS + 1) -> float:
    """The total variation that `num_samples` find with probability `power`: `samples_needed`, the other way round."""
    return min(1.0, math.sqrt(_noncentrality(power, level, num_cells - 1) / (4 * num_samples)))


def _noncentrality(power: float, level: float, degrees: int) -> float:
    """At which Pearson's test of this level has this power."""
    critical = float(stats.chi2.isf(level, degrees))

    def missing(log_noncentrality: float) -> float:
        return float(stats.ncx2.sf(critical, degrees, math.exp(log_noncentrality))) - power

    return math.exp(optimize.brentq(missing, -9.0, 12.0))


def _pool(cells: Mapping[Text, float], num: int) -> tuple[list[Text], Array]:
    """The cells that are kept, and the probabilities of these and of the pool, which is last."""
    kept = {text: mass for text, mass in cells.items() if mass * num >= LEAST_EXPECTED}
    pool = 1.0 - math.fsum(kept.values())
    if pool < _NOTHING:
        pool = 0.0
    while 0.0 < pool * num < LEAST_EXPECTED and len(kept) > 1:
        pool += kept.pop(min(kept, key=kept.__getitem__))
    mass = np.array([*kept.values(), pool])
    return list(kept), mass / mass.sum()


def _count(samples: Sequence[Text], names: Sequence[Text]) -> Counts:
    found = Counter(samples)
    own = [found[name] for name in names]
    return np.array([*own, len(samples) - sum(own)])


def _statistic(counts: Counts, mass: Array) -> Array:
    """Pearson's, over the last axis."""
    expected = mass * counts.sum(axis=-1, keepdims=True)
    statistic: Array = ((counts - expected) ** 2 / expected).sum(axis=-1)
    return statistic


def _simulated(statistic: float, mass: Array, num: int, finest: float) -> float:
    """The p-value by samples drawn from the cells; never 0 (Davison & Hinkley 1997, section 4.2)."""
    generator = np.random.default_rng(num)
    left = math.ceil(max(20_000, 4 / finest))
    drawn = left
    beyond = 0
    while left:
        some = min(left, 50_000)
        beyond += int((_statistic(generator.multinomial(num, mass, size=some), mass) >= statistic).sum())
        left -= some
    return (1 + beyond) / (1 + drawn)


def _total_variation(halves: Sequence[Counts], mass: Array) -> tuple[float, float]:
    """TV is the largest P(A) - p(A): A is chosen on one half of the samples and P(A) estimated on the other."""
    values, variances = [], []
    for chosen, measured in (halves, halves[::-1]):
        inside = chosen / chosen.sum() > mass
        num = measured.sum()
        share = measured[inside].sum() / num
        values.append(share - mass[inside].sum())
        variances.append(max(share * (1 - share), 1 / num) / num)
    # Both estimates rise and fall with what the halves have in common, so averaging makes neither surer.
    return float(np.mean(values)), math.sqrt(np.mean(variances))


def _largest_variation(statistic: float, degrees: int, num: int) -> float:
    """The upper limit of TV that follows from the upper limit of the noncentrality."""
    if math.isinf(statistic):
        return 1.0
    tail = (1 - _CONFIDENCE) / 2
    if stats.chi2.cdf(statistic, degrees) <= tail:
        return 0.0
    top = 10.0 * (statistic + 50.0)
    limit = optimize.brentq(lambda x: float(stats.ncx2.cdf(statistic, degrees, x)) - tail, 1e-9, top)
    return min(1.0, math.sqrt(float(limit) / num) / 2)
