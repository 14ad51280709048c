"""The figures of a run whose every count is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from draftlab.records import RunManifest, Trace
from draftlab.report.measure import ArmReport, Report, measure
from draftlab.spec import Sampling
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, NATIVE, failure, manifest, prompt, trace

MS = 1_000_000
# Prompt a: 4 tokens in 8 ms, drafted in 2 ms. Prompt b: 6 tokens in 6 ms, drafted in 6 ms.
BASE_A = trace(BASELINE, "a", [1, 2, 3, 4], decode_ns=8 * MS, prefill_ns=2 * MS)
BASE_B = trace(BASELINE, "b", [5, 6, 7, 8, 9, 0], decode_ns=6 * MS, prefill_ns=1 * MS)
ARM_A = trace(DRAFTED, "a", [1, 2, 3, 4], drafted=[5], accepted=[3], decode_ns=2 * MS)
ARM_B = trace(DRAFTED, "b", [5, 6, 7, 8, 9, 0], drafted=[2, 3, 0], accepted=[2, 1, 0], decode_ns=6 * MS)
RUN = [BASE_A, BASE_B, ARM_A, ARM_B]


@pytest.fixture
def report_of(tmp_path: Path) -> Any:
    def make(traces: list[Trace], facts: RunManifest | None = None) -> Report:
        store = Store.create(tmp_path / "run", facts or manifest())
        with store.writer() as writer:
            for each in traces:
                writer.traces.append(each)
        return measure(store)

    return make


def row(report: Report, category: str) -> ArmReport:
    (found,) = [arm for arm in report.arms if arm.category == category]
    return found


def test_the_figures_over_all_prompts(report_of: Any) -> None:
    arm = row(report_of(RUN), "all")
    assert (arm.drafter, arm.gamma, arm.rule) == ("ngram", 5, "rejection")
    assert (arm.num_prompts, arm.num_failed) == (2, 0)
    assert arm.walltime_speedup.value == pytest.approx((14 / 10) / (8 / 10))
    assert arm.tokens_per_s.value == pytest.approx(10 / 0.008)
    assert arm.baseline_tokens_per_s.value == pytest.approx(10 / 0.014)
    assert arm.acceptance_rate.value == pytest.approx(6 / 8)
    assert arm.draft_utilization.value == pytest.approx(6 / 10)
    assert arm.block_efficiency.value == pytest.approx(10 / 4)
    assert arm.acceptance_at == pytest.approx([3 / 3, 2 / 3, 1 / 2, 0, 0])


def test_figures_come_with_an_interval_over_prompts_where_there_are_enough(report_of: Any) -> None:
    """Repetitions within a prompt belong together: six prompts are six units, however often each was decoded."""
    names = [f"p{i}" for i in range(6)]
    traces = [
        original.model_copy(update={"prompt_id": name, "repetition": repetition})
        for name in names
        for repetition in range(3)
        for original in (BASE_A, ARM_A)
    ]
    found = report_of(traces, manifest(prompts=tuple(prompt(name) for name in names)))
    speedup = row(found, "all").walltime_speedup
    assert speedup.value is not None
    assert (speedup.low, speedup.high) == (pytest.approx(speedup.value), pytest.approx(speedup.value))


def test_few_prompts_have_figures_without_intervals(report_of: Any) -> None:
    assert row(report_of(RUN), "all").walltime_speedup.low is None


def test_every_category_has_a_row_in_the_order_of_the_prompts_and_all_is_last(report_of: Any) -> None:
    report = report_of(RUN)
    assert [arm.category for arm in report.arms] == ["code", "prose", "all"]
    assert row(report, "code").walltime_speedup == Estimate(pytest.approx(4.0))
    assert row(report, "prose").walltime_speedup == Estimate(pytest.approx(1.0))
    assert row(report, "code").acceptance_at == [1, 1, 1, 0, 0]
    assert row(report, "prose").block_efficiency.value == pytest.approx(6 / 3)


def test_one_category_needs_no_row_of_its_own(report_of: Any) -> None:
    report = report_of([BASE_A, ARM_A], manifest(prompts=(prompt("a"),)))
    assert [arm.category for arm in report.arms] == ["all"]


def test_the_baseline_and_the_run_are_described(report_of: Any, tmp_path: Path) -> None:
    report = report_of(RUN)
    assert (report.run, report.target, report.complete) == (str(tmp_path / "run"), "toy", True)
    assert report.baseline.tokens_per_s.value == pytest.approx(10 / 0.014)
    assert report.baseline.num_failed == 0
    assert report.native is None


def test_a_prompt_that_failed_in_an_arm_is_counted_as_failed_and_left_out_of_both_sides(report_of: Any) -> None:
    report = report_of([BASE_A, BASE_B, ARM_A, failure(DRAFTED, "b")])
    arm = row(report, "all")
    assert (arm.num_prompts, arm.num_failed, arm.compared) == (1, 1, 1)
    assert arm.walltime_speedup == Estimate(pytest.approx(4.0))
    assert arm.baseline_tokens_per_s.value == pytest.approx(4 / 0.008)
    assert row(report, "prose").walltime_speedup == Estimate(None)
    assert report.complete


def test_a_prompt_that_failed_in_the_baseline_has_nothing_to_be_compared_with(report_of: Any) -> None:
    report = report_of([failure(BASELINE, "a"), BASE_B, ARM_A, ARM_B])
    arm = row(report, "all")
    assert report.baseline.num_failed == 1
    assert (arm.num_prompts, arm.num_failed) == (1, 0)
    assert arm.walltime_speedup == Estimate(pytest.approx(1.0))
    assert arm.acceptance_rate == Estimate(pytest.approx(3 / 4))
    assert arm.acceptance_at == [1, 1 / 2, 0]  # of the same decodes


@pytest.mark.parametrize("missing", range(4))
def test_a_run_that_lacks_a_trace_is_not_complete(report_of: Any, missing: int) -> None:
    assert not report_of([each for i, each in enumerate(RUN) if i != missing]).complete


def test_a_run_without_traces_has_rows_without_figures(report_of: Any) -> None:
    report = report_of([])
    assert not report.complete
    assert report.baseline.tokens_per_s == Estimate(None)
    for arm in report.arms:
        assert arm.num_prompts == 0
        assert arm.walltime_speedup == arm.acceptance_rate == arm.block_efficiency == Estimate(None)


def test_repetitions_belong_to_their_prompt(report_of: Any) -> None:
    """Two decodes of one prompt are no two prompts: there is no interval."""
    again = [each.model_copy(update={"repetition": 1, "decode_ns": 2 * (each.decode_ns or 0)}) for each in RUN]
    facts = manifest(repetitions=2, prompts=(prompt("a"),))
    report = report_of([BASE_A, ARM_A, again[0], again[2]], facts)
    arm = row(report, "all")
    assert report.complete
    assert (arm.num_prompts, arm.compared) == (1, 2)
    assert arm.walltime_speedup == Estimate(pytest.approx((8 + 16) / (2 + 4)))
    assert report.baseline.tokens_per_s == Estimate(pytest.approx(8 / 0.024))


def test_a_repetition_counts_only_where_both_sides_have_it(report_of: Any) -> None:
    alone = BASE_A.model_copy(update={"repetition": 1, "decode_ns": 99 * MS})
    arm = row(report_of([*RUN, alone], manifest(repetitions=2)), "code")
    assert arm.walltime_speedup.value == pytest.approx(4.0)


def test_where_a_greedy_text_leaves_the_baseline_is_told(report_of: Any) -> None:
    other = ARM_B.model_copy(update={"tokens": (5, 6, 1, 8, 9, 0)})
    arm = row(report_of([BASE_A, BASE_B, ARM_A, other]), "all")
    assert (arm.identical, arm.compared) == (1, 2)
    (found,) = arm.divergences
    assert (found.prompt_id, found.repetition, found.position) == ("b", 0, 2)


def test_sampled_texts_are_not_compared(report_of: Any) -> None:
    other = ARM_B.model_copy(update={"tokens": (5, 6, 1, 8, 9, 0)})
    arm = row(report_of([BASE_A, BASE_B, ARM_A, other], manifest(sampling=Sampling(temperature=0.5))), "all")
    assert (arm.identical, arm.compared, arm.divergences) == (0, 0, [])
    assert arm.num_prompts == 2


def test_sampled_texts_of_a_coupled_rule_are_compared(report_of: Any) -> None:
    coupled = DRAFTED.model_copy(update={"coupled": True})
    facts = manifest(arms=(BASELINE, coupled), sampling=Sampling(temperature=0.5))
    arm = row(report_of(RUN, facts), "all")
    assert (arm.identical, arm.compared) == (2, 2)


def test_an_arm_whose_rule_is_lossy_says_so(report_of: Any) -> None:
    lossy = DRAFTED.model_copy(update={"lossless": False})
    assert not row(report_of(RUN, manifest(arms=(BASELINE, lossy))), "all").lossless


def test_the_engines_own_generate_is_compared_with_prefill_on_both_sides(report_of: Any) -> None:
    native = [
        trace(NATIVE, "a", [1, 2, 3, 4], decode_ns=5 * MS, prefill_ns=None),
        trace(NATIVE, "b", [5, 6, 7, 8, 9, 1], decode_ns=5 * MS, prefill_ns=None),
    ]
    report = report_of([*RUN, *native], manifest(arms=(BASELINE, DRAFTED, NATIVE)))
    assert report.complete
    assert [arm.drafter for arm in report.arms] == ["ngram"] * 3
    assert report.native is not None
    assert report.native.tokens_per_s.value == pytest.approx(10 / 0.010)
    assert report.native.baseline_tokens_per_s.value == pytest.approx(10 / 0.017)
    assert (report.native.identical, report.native.compared) == (1, 2)
