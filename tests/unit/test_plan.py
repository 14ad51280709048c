"""The order of a run: fair to every arm, whatever the machine does in the meantime."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.bench.plan import PreparedBench, plan
from draftlab.records import Arm
from tests.unit.handmade import BASELINE, CLOSING, CONTROL, DRAFTED, NATIVE, bench

OTHERS = [Arm(id=f"arm{i}", role="drafted", drafter="ngram", gamma=i, rule="rejection") for i in range(4)]

SIZES = st.tuples(st.integers(1, 4), st.booleans(), st.integers(1, 6), st.integers(1, 4))
BENCHES = SIZES.map(
    lambda s: bench([BASELINE, *OTHERS[: s[0]], *([NATIVE] if s[1] else [])], num_prompts=s[2], repetitions=s[3])
)


@given(BENCHES)
def test_every_decode_is_planned_once(prepared: PreparedBench) -> None:
    expected = {
        (each.arm.id, prompt.record.id, repetition)
        for each in prepared.arms
        for prompt in prepared.prompts
        for repetition in range(prepared.repetitions)
        if each.arm.role != "native" or repetition == 0
    }
    keys = [task.key for task in plan(prepared)]
    assert len(keys) == len(expected)
    assert set(keys) == expected


@given(BENCHES)
def test_all_arms_of_a_prompt_follow_one_another(prepared: PreparedBench) -> None:
    blocks = [
        [task.key[0] for task in block]
        for _, block in groupby(plan(prepared), key=lambda task: (task.prompt.record.id, task.repetition))
    ]
    assert len(blocks) == len(prepared.prompts) * prepared.repetitions
    ids = {each.arm.id for each in prepared.arms}
    for number, block in enumerate(blocks):
        assert set(block) == (ids if number < len(prepared.prompts) else ids - {"native"})


@given(BENCHES, st.integers(1, 5))
def test_few_blocks_do_the_same_decodes(prepared: PreparedBench, num_blocks: int) -> None:
    tasks = plan(replace(prepared, num_blocks=num_blocks))
    assert sorted(task.key for task in tasks) == sorted(task.key for task in plan(prepared))


def test_where_a_change_is_dear_whoever_ends_a_block_begins_the_next() -> None:
    tasks = plan(replace(bench([BASELINE, DRAFTED], num_prompts=5, repetitions=2), num_blocks=2))
    stretches = [
        (arm, [task.prompt.record.id for task in stretch])
        for arm, stretch in groupby(tasks, key=lambda task: task.arm.arm.id)
    ]
    even, odd = ["p0", "p2", "p4"], ["p1", "p3"]  # some of each suite in both
    assert stretches == [
        (BASELINE.id, even),
        (DRAFTED.id, even + odd),
        (BASELINE.id, odd + even),
        (DRAFTED.id, even + odd),
        (BASELINE.id, odd),
    ]


@pytest.mark.parametrize("num_arms", [2, 3, 5])
@pytest.mark.parametrize("repetitions", [1, 2, 3])
def test_every_arm_is_first_and_last_equally_often(num_arms: int, repetitions: int) -> None:
    arms = [BASELINE, *OTHERS][:num_arms]
    tasks = plan(bench(arms, num_prompts=2 * num_arms, repetitions=repetitions))
    order = [task.arm.arm.id for task in tasks]
    for place in range(num_arms):
        counts = Counter(order[place::num_arms])
        assert counts == {arm.id: 2 * repetitions for arm in arms}


def test_a_prompt_alone_changes_its_order_from_one_repetition_to_the_next() -> None:
    tasks = plan(bench([BASELINE, OTHERS[0]], num_prompts=1, repetitions=2))
    assert [task.key[0] for task in tasks] == ["none", "arm0", "arm0", "none"]


def test_the_native_check_runs_in_the_first_repetition_only() -> None:
    tasks = plan(bench([BASELINE, NATIVE], num_prompts=3, repetitions=4))
    assert [task.repetition for task in tasks if task.arm.arm.role == "native"] == [0, 0, 0]


def test_the_second_baseline_runs_in_every_block_like_any_arm() -> None:
    tasks = plan(bench([BASELINE, DRAFTED, CONTROL], num_prompts=6, repetitions=2))
    order = [task.arm.arm.role for task in tasks]
    for place in range(3):
        assert Counter(order[place::3]) == {"baseline": 4, "drafted": 4, "control": 4}


def test_no_arm_always_follows_the_same_other_one() -> None:
    """What a decode leaves behind, in caches and clocks, must not always meet the same arm."""
    arms = [BASELINE, DRAFTED, CONTROL]
    tasks = plan(bench(arms, num_prompts=6))
    order = [task.arm.arm.id for task in tasks]
    blocks = [order[start : start + 3] for start in range(0, len(order), 3)]
    followers = Counter(pair for block in blocks for pair in pairwise(block))
    assert followers == {(one.id, other.id): 2 for one, other in permutations(arms, 2)}


def test_the_closing_arm_repeats_the_first_prompts_after_the_last_block() -> None:
    tasks = plan(bench([BASELINE, DRAFTED, CLOSING], num_prompts=9))
    assert [task.key for task in tasks[-6:]] == [(CLOSING.id, f"p{i}", 0) for i in range(6)]
    assert all(task.arm.arm.role != "closing" for task in tasks[:-6])


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_a_longer_plan_begins_with_the_shorter_one(num_arms: int, num_prompts: int, repetitions: int) -> None:
    """So a run that goes on for another round does nothing anew, and nothing in another order."""
    prepared = bench([BASELINE, *OTHERS[:num_arms], NATIVE], num_prompts=num_prompts)
    short, long = ([task.key for task in plan(prepared, r)] for r in (repetitions, repetitions + 1))
    assert long[: len(short)] == short
    assert len(long) == len(short) + num_prompts * (num_arms + 1)
