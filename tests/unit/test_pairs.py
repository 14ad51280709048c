"""Only what both sides have done is compared."""

from __future__ import annotations

import pytest

from draftlab.pairs import Pairs
from tests.unit.handmade import BASELINE, DRAFTED, failure, trace


def test_a_pair_is_one_prompt_in_one_repetition_that_succeeded_twice() -> None:
    base = [trace(BASELINE, "a"), trace(BASELINE, "a", repetition=1), trace(BASELINE, "b"), failure(BASELINE, "c")]
    arm = [trace(DRAFTED, "c"), failure(DRAFTED, "b"), trace(DRAFTED, "a", repetition=1), trace(DRAFTED, "d")]
    ((ours, theirs),) = Pairs.match(base, arm).all()
    assert (ours.key, theirs.key) == (("none", "a", 1), ("ngram gamma=5", "a", 1))


def test_a_speedup_is_a_ratio_of_sums() -> None:
    base = [trace(BASELINE, "a", [1, 2], decode_ns=30), trace(BASELINE, "b", [1, 2], decode_ns=90)]
    arm = [trace(DRAFTED, "a", [1, 2], decode_ns=10), trace(DRAFTED, "b", [1, 2], decode_ns=50)]
    assert Pairs.match(base, arm).walltime_speedup().value == pytest.approx(120 / 60)
