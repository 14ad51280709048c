"""Intervals for ratios of sums, by a paired bootstrap over prompts (Efron & Tibshirani 1993, chapters 8 and 13).

The prompt is the unit: rounds and repetitions within one are correlated. One set of resamples serves every figure of
a run, so that arms and metrics stay paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NUM_RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; the interval is None where there are too few prompts for one."""

    value: float | None
    low: float | None = None
    high: float | None = None


def ratio_of_sums(numerators: Sequence[float], denominators: Sequence[float], seed: int = 0) -> Estimate:
    """sum(numerators) / sum(denominators) over prompts, with a percentile interval."""
    above = np.asarray(numerators, dtype=float)
    below = np.asarray(denominators, dtype=float)
    if not below.sum():
        return Estimate(None)
    value = float(above.sum() / below.sum())
    if len(above) < 2:
        return Estimate(value)
    times = _resamples(len(above), seed)
    sums = times @ np.column_stack([above, below])
    drawn = sums[sums[:, 1] > 0]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail])
    return Estimate(value, float(low), float(high))


def _resamples(num_prompts: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """How often each prompt is drawn in each resample: [NUM_RESAMPLES, num_prompts]; the same for the same number."""
    generator = np.random.default_rng([seed, num_prompts])
    return generator.multinomial(num_prompts, np.full(num_prompts, 1 / num_prompts), size=NUM_RESAMPLES)
