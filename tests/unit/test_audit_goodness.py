"""The tests of the audit do what they say: level, power, and intervals of the total variation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from draftlab.audit.goodness import MOST_CELLS, Fit, detectable, fit, samples_needed

NUM = 2000
LEVEL = 0.01
RUNS = 300


def law() -> NDArray[np.float64]:
    return np.random.default_rng(5).dirichlet(np.full(20, 0.5))


def moved(mass: NDArray[np.float64], tv: float) -> NDArray[np.float64]:
    """A law at `tv` from `mass`, spread over all cells as evenly as can be: the hardest to find."""
    up = np.arange(len(mass)) % 2 == 0
    return np.where(up, mass * (1 + tv / mass[up].sum()), mass * (1 - tv / mass[~up].sum()))


def fits(true: NDArray[np.float64], runs: int = RUNS, num: int = NUM) -> list[Fit]:
    generator = np.random.default_rng(11)
    cells = {(i,): float(m) for i, m in enumerate(law())}
    drawn = generator.choice(len(true), size=(runs, num), p=true)
    return [fit([(int(token),) for token in row], cells) for row in drawn]


def test_an_honest_law_is_rejected_at_the_level_and_no_more_often() -> None:
    rejected = sum(found.p_value < 0.05 for found in fits(law()))
    assert 3 <= rejected <= 27  # binomial(300, .05) leaves this range once in 4,000


def test_the_stated_power_is_reached() -> None:
    tv = 0.1
    num = samples_needed(tv, 0.9, LEVEL, num_cells=len(law()))
    found = sum(found.p_value < LEVEL for found in fits(moved(law(), tv), num=num))
    assert found / RUNS > 0.84


def test_more_samples_detect_less_and_both_ways_agree() -> None:
    for tv in (0.02, 0.1):
        assert detectable(samples_needed(tv, 0.9, 1e-4), 0.9, 1e-4) == pytest.approx(tv, rel=0.01)
    assert samples_needed(0.05, 0.9, 1e-4) > samples_needed(0.05, 0.8, 1e-4) > samples_needed(0.1, 0.8, 1e-4)


@pytest.mark.parametrize("tv", [0.0, 0.05, 0.15])
def test_the_interval_holds_the_total_variation(tv: float) -> None:
    found = fits(moved(law(), tv))
    assert sum(one.low <= tv + 1e-12 and tv <= one.high for one in found) / RUNS > 0.9
    assert np.mean([one.total_variation for one in found]) <= tv + 0.02


def test_a_text_that_cannot_be_is_proof() -> None:
    found = fit([(0,)] * 99 + [(7,)], {(0,): 0.5, (1,): 0.5})
    assert found.p_value == 0.0
    assert found.high == 1.0


def test_rare_cells_are_pooled() -> None:
    cells = {(0,): 0.5, (1,): 0.49, (2,): 0.004, (3,): 0.003, (4,): 0.003}
    samples = [(0,)] * 50 + [(1,)] * 49 + [(3,)]
    assert fit(samples, cells).num_cells <= 2
    assert fit(samples, {(0,): 1.0 / 3, (1,): 1.0 / 3}).num_cells == 3


def test_one_certain_cell_fits() -> None:
    found = fit([(3,)] * 200, {(3,): 1.0})
    assert found.p_value == 1.0
    assert found.total_variation == 0.0


def test_the_most_cells_are_those_that_the_power_is_stated_for() -> None:
    assert samples_needed(0.1, 0.9, LEVEL) == samples_needed(0.1, 0.9, LEVEL, num_cells=MOST_CELLS + 1)
