"""`--fail-if`: what may be written, what it finds, and that nothing else than a comparison ever comes of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from draftlab.errors import DraftlabError
from draftlab.report.compare import compare
from draftlab.report.conditions import (
    COMPARE_METRICS,
    REPORT_METRICS,
    Condition,
    Row,
    comparison_rows,
    report_rows,
    violations,
)
from draftlab.report.measure import measure
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, failure, manifest, trace

ROW = Row(
    "ngram, gamma 5, rule rejection",
    "all",
    {**dict.fromkeys(REPORT_METRICS, Estimate(1.0)), "walltime_speedup": Estimate(1.5, 1.2, 1.9)},
)
CODE = Row(ROW.arm, "code", {**ROW.figures, "walltime_speedup": Estimate(3.0, 2.5, 3.5)})


def found(text: str, *rows: Row) -> list[str]:
    return violations([Condition.parse(text, REPORT_METRICS)], rows or [ROW, CODE])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("walltime_speedup < 1.5", ("all", "walltime_speedup", "value", "<", 1.5)),
        ("  acceptance_rate.low<=.6 ", ("all", "acceptance_rate", "low", "<=", 0.6)),
        ("code: identical != 1", ("code", "identical", "value", "!=", 1.0)),
        ("code:block_efficiency.high >= 2.", ("code", "block_efficiency", "high", ">=", 2.0)),
        ("a:b c:num_failed.value > 0", ("a:b c", "num_failed", "value", ">", 0.0)),
        ("tokens_per_s == -1e3", ("all", "tokens_per_s", "value", "==", -1000.0)),
    ],
)
def test_what_may_be_written(text: str, parts: tuple[object, ...]) -> None:
    read = Condition.parse(text, REPORT_METRICS)
    assert (read.category, read.metric, read.field, read.operator, read.number) == parts
    assert read.text == text.strip()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "cannot read ''"),
        ("walltime_speedup", "cannot read"),
        ("walltime_speedup = 1", "cannot read"),
        ("walltime_speedup << 1", "cannot read"),
        ("1 < walltime_speedup", "no metric is called '1'"),
        ("walltime_speedup < 1 and identical < 1", "cannot read"),
        ("walltime_speedup < identical", "'identical' is no finite number"),
        ("walltime_speedup < nan", "no finite number"),
        ("walltime_speedup < 1e999", "no finite number"),
        ("walltime_speedup < 1_0", "no finite number"),
        ("walltime_speedup < ٣", "no finite number"),
        ("walltime_speedup.mean < 1", "no metric has a 'mean'"),
        ("walltime_speedup.__class__ < 1", "no metric has a '__class__'"),
        ("identical.low < 1", "identical has no interval"),
        ("walltime_sped < 1", "no metric is called 'walltime_sped'"),
        ("walltime_speedup_ratio < 1", "no metric is called 'walltime_speedup_ratio'"),
        ("__import__('os').system('x') < 1", "cannot read"),
    ],
)
def test_what_may_not_be_written(text: str, what: str) -> None:
    with pytest.raises(DraftlabError) as refused:
        Condition.parse(text, REPORT_METRICS)
    message = f"{refused.value} {refused.value.hint}"
    assert what in message
    if what == "cannot read" or "no metric is called" in what:
        assert all(name in message for name in REPORT_METRICS)


@given(
    st.text(max_size=60) | st.from_regex(r"([a-z]+:)?[a-z_]+(\.[a-z]+)? ?[<>=!]{1,2} ?[-+.0-9e]{1,8}", fullmatch=True)
)
@example("walltime_speedup < 1\n")
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        read = Condition.parse(text, COMPARE_METRICS)
    except DraftlabError:
        return
    assert read.metric in COMPARE_METRICS
    assert read.field in ("value", "low", "high")
    assert math.isfinite(read.number)


@given(
    st.sampled_from([*COMPARE_METRICS]),
    st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "code:", "a b:"]),
)
def test_what_is_well_written_is_read_as_it_stands(metric: str, operator: str, number: float, category: str) -> None:
    read = Condition.parse(f"{category}{metric} {operator} {number!r}", COMPARE_METRICS)
    assert (read.metric, read.operator, read.number) == (metric, operator, number)
    assert read.category == (category[:-1] or "all")


@given(st.floats(0, 10), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.floats(0, 10))
def test_a_condition_is_met_as_arithmetic_says_and_its_line_shows_a_number_that_meets_it(
    value: float, operator: str, number: float
) -> None:
    row = Row("arm", "all", {"tokens_per_s": Estimate(value)})
    lines = found(f"tokens_per_s {operator} {number!r}", row)
    assert bool(lines) == eval(f"{value!r} {operator} {number!r}")
    for line in lines:
        assert eval(f"{line.rpartition(': ')[2]} {operator} {number!r}")


def test_what_is_found_names_the_condition_the_arm_and_the_number() -> None:
    assert found("walltime_speedup < 2") == [
        "failed: walltime_speedup < 2: ngram, gamma 5, rule rejection, all: 1.5"
    ]  # fmt: skip
    assert found("walltime_speedup < 1.5") == []
    assert found("walltime_speedup.low < 1.5") == [
        "failed: walltime_speedup.low < 1.5: ngram, gamma 5, rule rejection, all: 1.2"
    ]  # fmt: skip


def test_a_category_is_held_alone() -> None:
    assert found("code:walltime_speedup < 2") == []
    assert len(found("code:walltime_speedup < 4")) == 1


def test_every_arm_is_held() -> None:
    other = Row("other", "all", {**ROW.figures, "walltime_speedup": Estimate(0.9)})
    assert len(found("walltime_speedup < 1", ROW, other)) == 1
    assert len(found("walltime_speedup < 2", ROW, other)) == 2


def test_a_category_that_is_not_there_is_told() -> None:
    with pytest.raises(DraftlabError, match="no category is called 'cod'; there are: all, code"):
        found("cod:identical < 1")


@pytest.mark.parametrize(
    ("metric", "estimate", "reason"),
    [
        ("walltime_speedup.low", Estimate(2.0), "no interval is given for fewer than 6 prompts"),
        ("walltime_speedup", Estimate(None), "nothing was measured"),
        ("identical", Estimate(None), "no texts were compared"),
    ],
)
def test_what_is_not_defined_fails_whatever_is_asked(metric: str, estimate: Estimate, reason: str) -> None:
    row = Row("arm", "all", {**ROW.figures, metric.partition(".")[0]: estimate})
    for asked in ("< 1", "> 1"):
        (line,) = found(f"{metric} {asked}", row)
        assert f"all: not defined ({reason}" in line


def test_a_run_without_a_drafted_arm_fails() -> None:
    assert violations([Condition.parse("identical < 1", REPORT_METRICS)], []) == [
        "failed: identical < 1: there is no drafted arm to hold it against"
    ]


def test_every_metric_has_a_figure_in_a_run_and_in_a_comparison(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "run", manifest())
    with store.writer() as writer:
        for each in (trace(BASELINE, "a"), trace(BASELINE, "b"), trace(DRAFTED, "a"), failure(DRAFTED, "b")):
            writer.traces.append(each)
    for rows, metrics in (
        (report_rows(measure(store)), REPORT_METRICS),
        (comparison_rows(compare([store, store])), COMPARE_METRICS),
    ):
        assert [row.category for row in rows] == ["code", "prose", "all"]
        for row in rows:
            assert row.figures.keys() == metrics.keys()
        whole = rows[-1].figures
        assert (whole["identical"].value, whole["num_failed"].value, whole["num_prompts"].value) == (1.0, 1, 1)
        assert rows[1].figures["identical"] == Estimate(None)
