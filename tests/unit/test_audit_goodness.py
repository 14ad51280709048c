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


@pytest.mark.parametrize("rare", [0.0005, 0.002])
def test_a_nearly_certain_token_is_not_accused_for_its_rare_brother(rare: float) -> None:
    """One cell and a pool of hardly any mass: the chi-square law would accuse about once in a hundred."""
    level = 1e-3
    generator = np.random.default_rng(3)
    several = generator.binomial(300, rare, size=4000)
    p_values = {
        count: fit([(1,)] * int(count) + [(0,)] * (300 - int(count)), {(0,): 1 - rare}, level).p_value
        for count in np.unique(several)
    }
    assert sum(p_values[count] < level for count in several) <= 14  # 4 expected; 15 come once in 40,000


def test_many_rare_cells_keep_the_level() -> None:
    level = 1e-3
    mass = np.array([0.844, *[0.006] * 26])
    cells = {(i,): float(m) for i, m in enumerate(mass)}
    drawn = np.random.default_rng(9).choice(len(mass), size=(1500, 1000), p=mass)
    rejected = sum(fit([(int(token),) for token in row], cells, level).p_value < level for row in drawn)
    assert rejected <= 8  # 1.5 expected; 9 come once in 30,000


def test_what_cannot_be_is_told_from_what_was_rounded_away() -> None:
    """The sum of all cells may miss 1 by a rounding error: that is no room for impossible texts."""
    generator = np.random.default_rng(2)
    for _ in range(50):
        mass = generator.dirichlet(np.full(8, 9.0))  # none so rare that it is pooled
        cells = {(i,): float(m) for i, m in enumerate(mass)}
        samples = [(int(token),) for token in generator.choice(8, size=1000, p=mass)] + [(99,)] * 3
        assert fit(samples, cells).p_value == 0.0
        assert fit(samples[:-3], cells).p_value > 0.0


def test_an_impossible_text_does_not_hide_in_the_pool() -> None:
    samples = [(0,)] * 950 + [(1,)] * 41 + [(8,)] * 8 + [(7,)]
    cells = {(0,): 0.95, (1,): 0.04}
    assert fit(samples, cells).p_value > 0.01
    assert fit(samples, cells, is_impossible=lambda text: text == (7,)).p_value == 0.0


def test_a_text_that_cannot_be_is_proof() -> None:
    found = fit([(0,)] * 99 + [(7,)], {(0,): 0.5, (1,): 0.5})
    assert found.p_value == 0.0
    assert found.high == 1.0


def test_rare_cells_are_pooled() -> None:
    cells = {(0,): 0.5, (1,): 0.49, (2,): 0.004, (3,): 0.003, (4,): 0.003}
    samples = [(0,)] * 50 + [(1,)] * 49 + [(3,)]
    assert fit(samples, cells).num_cells == 2
    assert fit(samples, {(0,): 1.0 / 3, (1,): 1.0 / 3}).num_cells == 3


def test_one_certain_cell_fits() -> None:
    found = fit([(3,)] * 200, {(3,): 1.0})
    assert found.p_value == 1.0
    assert found.total_variation == 0.0


def test_the_most_cells_are_those_that_the_power_is_stated_for() -> None:
    assert samples_needed(0.1, 0.9, LEVEL) == samples_needed(0.1, 0.9, LEVEL, num_cells=MOST_CELLS + 1)
