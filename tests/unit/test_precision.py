"""When a run that repeats until its intervals are narrow goes on, and why it ends."""

from __future__ import annotations

import pytest

from draftlab.precision import Progress, progress, rounds_begun
from draftlab.records import Goal, Trace
from draftlab.stats import Estimate
from tests.unit.handmade import BASELINE, CONTROL, DRAFTED, failure, trace

ARMS = (BASELINE, DRAFTED, CONTROL)
OTHER = DRAFTED.model_copy(update={"id": "other"})
GENEROUS = 10**9


def round_of(repetition: int, spread: int = 0, arm_ns: int = 100) -> list[Trace]:
    """Twelve prompts with a speed-up of 2; every second one is off by `spread` ns in 200."""
    return [
        trace(arm, f"p{i}", decode_ns=ns, repetition=repetition, prefill_ns=0)
        for i in range(12)
        for arm, ns in ((BASELINE, 200 + spread * (-1) ** i), (DRAFTED, arm_ns), (CONTROL, 200))
    ]


def test_a_width_is_half_the_interval_over_the_value() -> None:
    assert Estimate(2.0, 1.9, 2.3).half_width == pytest.approx(0.1)
    assert Estimate(2.0).half_width is None
    assert Estimate(None).half_width is None


def test_equal_prompts_are_known_at_once() -> None:
    goal = Goal(half_width=0.02, budget_ns=GENEROUS)
    assert progress(goal, ARMS, round_of(0), 1) == Progress(pytest.approx(0.0), 1, "reached")


def test_it_goes_on_while_the_interval_is_wide_and_a_round_fits() -> None:
    found = progress(Goal(half_width=0.02, budget_ns=GENEROUS), ARMS, round_of(0, spread=50), 1)
    assert found.end is None
    assert found.half_width is not None
    assert 0.1 < found.half_width < 0.2  # 1.96 x 50 / 200 / sqrt(12)


def test_the_budget_is_the_time_of_all_decodes_and_a_round_that_does_not_fit_is_not_begun() -> None:
    """A round takes 12 x (200 + 100 + 200) = 6000 ns, on average also where every second prompt is off."""
    traces = round_of(0, spread=50) + round_of(1, spread=50)
    for budget, end in ((17_999, "budget"), (18_000, None)):
        assert progress(Goal(half_width=0.02, budget_ns=budget), ARMS, traces, 1).end == end


def test_the_widest_of_the_drafted_arms_decides_and_the_second_baseline_does_not() -> None:
    goal = Goal(half_width=0.02, budget_ns=GENEROUS)
    noisy = [t.model_copy(update={"decode_ns": 100 + 60 * (i % 2)}) for i, t in enumerate(round_of(0)[2::3])]
    known = [t for t in round_of(0) if t.arm != CONTROL.id]
    assert progress(goal, ARMS, known + noisy, 1).end == "reached"
    other = [t.model_copy(update={"arm": OTHER.id}) for t in noisy]
    assert progress(goal, (*ARMS, OTHER), round_of(0) + other, 1).end is None


def test_what_never_has_an_interval_is_not_repeated() -> None:
    traces = [t for t in round_of(0) if t.arm != DRAFTED.id] + [failure(DRAFTED, f"p{i}") for i in range(12)]
    found = progress(Goal(half_width=0.02, budget_ns=GENEROUS), ARMS, traces, 1)
    assert (found.half_width, found.end) == (None, "impossible")


@pytest.mark.parametrize(("planned", "last", "expected"), [(1, 0, 1), (3, 0, 3), (1, 4, 5)])
def test_a_round_is_begun_with_its_first_trace(planned: int, last: int, expected: int) -> None:
    assert rounds_begun([trace(BASELINE, "a"), trace(BASELINE, "a", repetition=last)], planned) == expected


def test_a_run_without_traces_has_the_rounds_that_were_planned() -> None:
    assert rounds_begun([], 2) == 2


def test_a_device_that_has_died_is_not_asked_for_ever() -> None:
    """The first round is wide and went well; in the second every decode failed, at once and at no cost."""
    goal = Goal(half_width=0.02, budget_ns=GENEROUS)
    failed = [failure(arm, f"p{i}", repetition=1) for i in range(12) for arm in ARMS]
    assert progress(goal, ARMS, round_of(0, spread=50), 1).end is None
    assert progress(goal, ARMS, round_of(0, spread=50) + failed, 1).end == "impossible"
