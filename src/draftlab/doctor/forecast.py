"""From the times of a few passes to a speed-up for each acceptance rate, and the rate from which on it is one."""

from __future__ import annotations

from draftlab.doctor.findings import Forecast, Prediction, Timing
from draftlab.metrics import tokens_per_round

RATES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_HALVINGS = 40


def speedup(timing: Timing, acceptance: float, gamma: int) -> float:
    """Tokens of a round over its time, against one token a pass."""
    drafting = timing.draft_s * (gamma if timing.draft_per == "token" else 1)
    return tokens_per_round(acceptance, gamma) * timing.target_s[0] / (drafting + timing.target_s[gamma])


def predict(timing: Timing) -> Forecast:
    """The best draft length for each acceptance rate among those whose passes were timed, and the break-even."""
    predictions = tuple(_best(timing, rate) for rate in RATES)
    if _best(timing, 1.0).speedup <= 1.0:
        return Forecast(predictions=predictions, break_even=None, break_even_gamma=None)
    low, high = 0.0, 1.0  # the speed-up grows with the acceptance rate for every gamma, so for the best of them
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _best(timing, middle).speedup > 1.0 else (middle, high)
    return Forecast(predictions=predictions, break_even=high, break_even_gamma=_best(timing, high).gamma)


def _best(timing: Timing, acceptance: float) -> Prediction:
    gammas = range(1, len(timing.target_s))
    speedups = {gamma: speedup(timing, acceptance, gamma) for gamma in gammas}
    gamma = max(speedups, key=lambda g: speedups[g])  # the shortest of equally good ones
    return Prediction(acceptance_rate=acceptance, gamma=gamma, speedup=speedups[gamma])
