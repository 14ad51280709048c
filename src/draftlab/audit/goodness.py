"""Discrete goodness of fit: Pearson's test over cells of known probability, its power, and the total variation.

With cells of probability p and a law that is d off, Pearson's statistic of n samples is close to a noncentral
chi-square with noncentrality n * sum(d^2 / p). By Cauchy and Schwarz sum(d^2 / p) >= (sum |d|)^2 = 4 TV^2, so the power
against *any* law at a total variation of `tv` over the cells is at least that at noncentrality 4 n tv^2.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

LEAST_EXPECTED = 5.0
"""Cells with fewer expected samples are pooled: below, the chi-square law of the statistic is a poor one (Cochran)."""
MOST_CELLS = 32
"""More would cost power against broad deviations; what is beyond stands in the pool."""
_CONFIDENCE = 0.95

Text = tuple[int, ...]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """One test: so many samples over cells of known probability."""

    num_samples: int
    num_cells: int
    statistic: float
    p_value: float
    total_variation: float
    """Over these cells; estimated so that it is not biased upwards (the cells are chosen on one half of the samples
    and measured on the other), and 0 on average where the laws are equal."""
    low: float
    high: float


def fit(samples: Sequence[Text], cells: Mapping[Text, float]) -> Fit:
    """Hold `samples` against `cells`; all that is in no cell, or expected too rarely, is one more cell."""
    num = len(samples)
    kept = {text: mass for text, mass in cells.items() if mass * num >= LEAST_EXPECTED}
    pool = max(0.0, 1.0 - math.fsum(kept.values()))
    while kept and 0.0 < pool * num < LEAST_EXPECTED and len(kept) > 1:
        pool += kept.pop(min(kept, key=kept.__getitem__))
    names = list(kept)
    mass = np.array([kept[name] for name in names] + [pool])
    halves = [_count(samples[start::2], names) for start in (0, 1)]
    counts = halves[0] + halves[1]
    possible = mass > 1e-9
    if counts[~possible].any():  # a text that the target cannot write
        statistic, p_value = math.inf, 0.0
    else:
        expected = mass[possible] / mass[possible].sum() * num
        statistic = float(((counts[possible] - expected) ** 2 / expected).sum())
        p_value = float(stats.chi2.sf(statistic, max(1, possible.sum() - 1)))
    value, error = _total_variation(halves, mass)
    z = float(stats.norm.ppf((1 + _CONFIDENCE) / 2))
    degrees = max(1, int(possible.sum()) - 1)
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


def _count(samples: Sequence[Text], names: Sequence[Text]) -> NDArray[np.int64]:
    found = Counter(samples)
    own = [found[name] for name in names]
    return np.array([*own, len(samples) - sum(own)])


def _total_variation(halves: Sequence[NDArray[np.int64]], mass: Array) -> tuple[float, float]:
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
