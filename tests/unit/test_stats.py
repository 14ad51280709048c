"""Intervals for ratios of sums: known answers, and what has to hold whatever the numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draftlab import stats
from draftlab.stats import (
    Estimate,
    difference_of_ratios,
    ratio_of_products,
    ratio_of_ratios,
    ratio_of_sums,
    ratios_of_sums,
)

AMOUNTS = st.integers(1, 1000)
PROMPTS = st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=6, max_size=9)


def columns(rows: list[tuple[int, ...]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]


def test_the_value_is_a_ratio_of_sums_and_no_mean_of_ratios() -> None:
    assert ratio_of_sums([1, 9], [1, 1]).value == 5.0
    assert ratio_of_sums([1, 9], [1, 3]).value == 2.5  # the mean of 1 and 3 would be 2


def test_a_ratio_of_ratios_is_taken_of_the_sums() -> None:
    # 60 s for 10 tokens against 20 s for 20 tokens: 6 s against 1 s for each.
    assert ratio_of_ratios(([20, 40], [4, 6]), ([5, 15], [10, 10])).value == pytest.approx(6.0)


def test_a_change_of_a_ratio_of_ratios_is_taken_of_the_sums() -> None:
    # 60 s for 10 against 20 s for 20 is 6, and 30 s for 10 against 10 s for 5 is 1.5: a quarter.
    first = ([20, 40], [4, 6]), ([5, 15], [10, 10])
    second = ([10, 20], [5, 5]), ([5, 5], [2, 3])
    found = ratio_of_products((second[0], first[1]), (second[1], first[0]))
    assert found.value == pytest.approx(0.25)


def test_a_difference_is_that_of_the_ratios_of_sums() -> None:
    assert difference_of_ratios(([1, 2], [2, 4]), ([1, 0], [2, 2])).value == pytest.approx(3 / 6 - 1 / 4)


def test_a_difference_between_two_runs_is_paired_by_prompt() -> None:
    # Prompts differ a hundredfold, and each gains the same: that is certain.
    found = difference_of_ratios(([2, 20, 200] * 2, [1] * 6), ([1, 19, 199] * 2, [1] * 6))
    assert (found.value, found.low, found.high) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))


@given(st.lists(st.tuples(*[AMOUNTS] * 4), min_size=6, max_size=9))
@settings(max_examples=20)
def test_nothing_changes_from_a_run_to_itself(rows: list[tuple[int, ...]]) -> None:
    """Exactly nothing, not nearly: a condition such as `!= 1` may be asked of it."""
    a, b, c, d = columns(rows)
    assert ratio_of_products(((a, b), (c, d)), ((c, d), (a, b))) == Estimate(1.0, 1.0, 1.0)
    assert difference_of_ratios((a, b), (a, b)) == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize("num_prompts", [2, 3, 5])
def test_a_few_prompts_have_a_value_and_no_interval(num_prompts: int) -> None:
    """What would be called 95 % covers half of that with two prompts."""
    assert ratio_of_sums([3] * num_prompts, [2] * num_prompts) == Estimate(1.5)
    assert ratio_of_sums([3] * 6, [2] * 6).low == 1.5


def test_the_interval_of_many_prompts_is_that_of_the_normal_law() -> None:
    # 100 prompts, half 0 and half 1: the mean is 0.5 with a standard error of 0.05.
    estimate = ratio_of_sums([0, 1] * 50, [1] * 100)
    assert estimate.value == 0.5
    assert estimate.low == pytest.approx(0.5 - 1.96 * 0.05, abs=0.011)
    assert estimate.high == pytest.approx(0.5 + 1.96 * 0.05, abs=0.011)


def test_pairing_takes_out_what_all_prompts_share() -> None:
    # Prompts differ a hundredfold, but the gain is 2 on each: that is certain, though no single rate is.
    slow, fast, tokens = [2, 20, 200] * 2, [1, 10, 100] * 2, [1] * 6
    speedup = ratio_of_ratios((slow, tokens), (fast, tokens))
    assert (speedup.low, speedup.high) == (pytest.approx(2.0), pytest.approx(2.0))
    rate = ratio_of_sums(slow, tokens)
    assert rate.low is not None
    assert rate.high is not None
    assert rate.high > 5 * rate.low


@given(AMOUNTS, AMOUNTS, st.integers(6, 12))
@settings(max_examples=20)
def test_equal_prompts_leave_nothing_uncertain(above: int, below: int, num_prompts: int) -> None:
    estimate = ratio_of_sums([above] * num_prompts, [below] * num_prompts)
    assert estimate.value == pytest.approx(above / below)
    assert estimate.low == pytest.approx(estimate.value)
    assert estimate.high == pytest.approx(estimate.value)


def test_one_prompt_has_a_value_and_no_interval() -> None:
    assert ratio_of_sums([3], [2]) == Estimate(1.5)
    assert ratio_of_ratios(([3], [1]), ([2], [1])) == Estimate(1.5)


@pytest.mark.parametrize(("above", "below"), [([], []), ([0, 0], [0, 0]), ([1, 2], [0, 0])])
def test_what_is_not_defined_is_none(above: list[int], below: list[int]) -> None:
    assert ratio_of_sums(above, below) == Estimate(None)
    assert difference_of_ratios((above, below), (above, below)) == Estimate(None)


def test_a_ratio_to_an_arm_that_did_nothing_is_none() -> None:
    assert ratio_of_ratios(([1, 2], [1, 1]), ([0, 0], [1, 1])) == Estimate(None)
    assert ratio_of_ratios(([1, 2], [0, 0]), ([1, 1], [1, 1])) == Estimate(None)


def test_resamples_that_miss_the_only_prompt_with_numbers_are_left_out() -> None:
    estimate = ratio_of_sums([1, *[0] * 6], [2, *[0] * 6])
    assert estimate == Estimate(0.5, 0.5, 0.5)


@given(PROMPTS)
@settings(max_examples=40)
def test_the_interval_contains_the_value(rows: list[tuple[int, int]]) -> None:
    estimate = ratio_of_sums(*columns(rows))
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low <= estimate.value * (1 + 1e-12)
    assert estimate.value * (1 - 1e-12) <= estimate.high


@given(PROMPTS)
@settings(max_examples=40)
def test_the_interval_stays_within_the_single_prompts(rows: list[tuple[int, int]]) -> None:
    estimate = ratio_of_sums(*columns(rows))
    ratios = [above / below for above, below in rows]
    assert estimate.low is not None
    assert estimate.high is not None
    assert min(ratios) * (1 - 1e-12) <= estimate.low
    assert estimate.high <= max(ratios) * (1 + 1e-12)


@given(PROMPTS, st.sampled_from([1e-9, 0.25, 1e9]))
@settings(max_examples=20)
def test_units_scale_out(rows: list[tuple[int, int]], factor: float) -> None:
    above, below = columns(rows)
    plain, scaled = ratio_of_sums(above, below), ratio_of_sums([a * factor for a in above], below)
    for name in ("value", "low", "high"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name) * factor)


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS), min_size=6, max_size=9))
@settings(max_examples=20)
def test_a_speedup_turned_round_is_a_slowdown(rows: list[tuple[int, ...]]) -> None:
    a, b, c, d = columns(rows)
    there, back = ratio_of_ratios((a, b), (c, d)), ratio_of_ratios((c, d), (a, b))
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high, rel=0.05)


def test_the_same_numbers_give_the_same_interval_every_time() -> None:
    above, below = [3, 1, 4, 1, 5], [2, 7, 1, 8, 2]
    first = ratio_of_sums(above, below)
    stats._resamples.cache_clear()
    assert ratio_of_sums(above, below) == first


def test_many_ratios_at_once_are_those_one_by_one() -> None:
    first, second = ([1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 7]), ([3, 0, 1, 1, 2, 2], [4, 1, 1, 2, 3, 2])
    assert ratios_of_sums([first, second]) == [ratio_of_sums(*first), ratio_of_sums(*second)]
    assert ratios_of_sums([]) == []


def test_a_group_that_few_prompts_have_has_no_interval() -> None:
    """Six prompts, but five with anything to divide by."""
    (found,) = ratios_of_sums([([0, 1, 1, 1, 0, 0], [0, 2, 1, 1, 3, 1])])
    assert found == Estimate(3 / 8)
