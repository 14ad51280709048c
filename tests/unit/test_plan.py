"""The order of a run: fair to every arm, whatever the machine does in the meantime."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.bench.plan import PreparedBench, plan
from draftlab.records import Arm
from tests.unit.handmade import BASELINE, NATIVE, bench

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
