"""From times to speed-ups: the formula by hand, the best draft length, and the break-even."""

from __future__ import annotations

import pytest

from draftlab.doctor.findings import Timing
from draftlab.doctor.forecast import RATES, predict, speedup
from draftlab.metrics import tokens_per_round


def timing(draft: float, target: tuple[float, ...] = (1.0,) * 9, per: str = "token") -> Timing:
    return Timing.model_validate(
        {"context": 64, "num_passes": 5, "target_s": target, "draft_s": draft, "draft_per": per, "spread": 0.0}
    )


def test_tokens_of_a_round() -> None:
    assert tokens_per_round(0.0, 5) == 1.0
    assert tokens_per_round(1.0, 5) == 6.0
    assert tokens_per_round(0.8, 4) == pytest.approx((1 - 0.8**5) / (1 - 0.8))


def test_the_speedup_of_leviathan_with_a_verification_that_costs_more() -> None:
    assert speedup(timing(0.1), 0.8, 4) == pytest.approx(tokens_per_round(0.8, 4) / 1.4)
    dear = timing(0.1, (1.0, 1.5, 1.6, 1.7, 2.0))
    assert speedup(dear, 0.8, 4) == pytest.approx(tokens_per_round(0.8, 4) / (0.4 + 2.0))


def test_a_look_up_costs_the_same_for_every_length() -> None:
    assert speedup(timing(0.1, per="draft"), 0.5, 8) == pytest.approx(tokens_per_round(0.5, 8) / 1.1)


def test_the_best_gamma_grows_with_the_acceptance_rate() -> None:
    forecast = predict(timing(0.1))
    assert [p.acceptance_rate for p in forecast.predictions] == list(RATES)
    gammas = [p.gamma for p in forecast.predictions]
    assert gammas == sorted(gammas) and gammas[0] < gammas[-1]
    for p in forecast.predictions:
        assert p.speedup == max(speedup(timing(0.1), p.acceptance_rate, gamma) for gamma in range(1, 9))


def test_break_even_by_hand() -> None:
    """With a flat verification a draft of one token pays once it is accepted more often than it costs."""
    forecast = predict(timing(0.3))
    assert forecast.break_even == pytest.approx(0.3)
    assert forecast.break_even_gamma == 1


def test_a_step_from_one_row_to_two_asks_for_longer_drafts() -> None:
    forecast = predict(timing(0.05, (1.0, 1.6, 1.6, 1.6, 1.6)))
    assert forecast.break_even is not None and forecast.break_even_gamma is not None
    assert forecast.break_even_gamma > 1
    assert max(speedup(timing(0.05, (1.0, 1.6, 1.6, 1.6, 1.6)), forecast.break_even, g) for g in range(1, 5)) >= 1


def test_a_drafter_as_slow_as_its_target_never_pays() -> None:
    assert predict(timing(1.0)).break_even is None


def test_one_gamma_alone() -> None:
    assert {p.gamma for p in predict(timing(0.1, (1.0, 1.0))).predictions} == {1}
