"""Conditions that end a build, `[CATEGORY:]METRIC[.value|.low|.high] OP NUMBER`: read by a pattern, never executed."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.report.compare import ArmComparison, Comparison
from draftlab.report.measure import ArmReport, Report
from draftlab.report.names import gamma_of
from draftlab.stats import MIN_PROMPTS, Estimate

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_FORM = re.compile(
    r"(?:(?P<category>.+): *)?(?P<metric>\w+)(?:\.(?P<field>\w+))? *(?P<operator>[<>=!]=|[<>]) *(?P<number>\S+)",
    re.ASCII,
)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_FIELDS = ("value", "low", "high")
_HINT = "Write [CATEGORY:]METRIC[.value|.low|.high] OP NUMBER, as in 'code:walltime_speedup.low < 1.2'"

Metrics = Mapping[str, bool]
"""The names that may stand in a condition, and whether each has an interval."""

_COUNTS = {"identical": False, "num_failed": False, "num_prompts": False}
_SAME = {"same_texts": False, "baseline_same_texts": False}


def _figures(model: type[ArmReport] | type[ArmComparison]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.annotation is Estimate]


REPORT_METRICS: Metrics = {**dict.fromkeys(_figures(ArmReport), True), **_COUNTS}
COMPARE_METRICS: Metrics = {**REPORT_METRICS, **dict.fromkeys(_figures(ArmComparison), True), **_SAME}


@dataclass(frozen=True)
class Condition:
    """What must not be."""

    text: str
    category: str
    metric: str
    field: Literal["value", "low", "high"]
    operator: str
    number: float

    @classmethod
    def parse(cls, text: str, metrics: Metrics) -> Condition:
        """Read a condition on one of `metrics`; raise where it is none."""
        text = text.strip()
        match = _FORM.fullmatch(text)
        if match is None:
            raise DraftlabError(f"--fail-if cannot read {text!r}", f"{_HINT}; metrics are: {', '.join(metrics)}.")
        metric, field = match["metric"], match["field"] or "value"
        if metric not in metrics:
            raise UnknownNameError("metric", metric, metrics)
        if field not in _FIELDS:
            raise DraftlabError(f"--fail-if cannot read {text!r}: no metric has a '{field}'", _HINT)
        if field != "value" and not metrics[metric]:
            raise DraftlabError(f"--fail-if cannot read {text!r}: {metric} has no interval", f"Write {metric} alone.")
        if not _NUMBER.fullmatch(match["number"]) or not math.isfinite(number := float(match["number"])):
            raise DraftlabError(f"--fail-if cannot read {text!r}: {match['number']!r} is no finite number", _HINT)
        category = (match["category"] or "all").strip()
        return cls(text, category, metric, field, match["operator"], number)  # type: ignore[arg-type]

    def violation(self, row: Row) -> str | None:
        """What `row` has that must not be; None where all is well. What is not known is not well."""
        estimate = row.figures[self.metric]
        found = getattr(estimate, self.field)
        if found is None:
            return f"not defined ({_reason(self.metric, estimate)})"
        if _OPERATORS[self.operator](found, self.number):
            shown = f"{found:.4g}"  # unless rounding makes it another answer
            return shown if _OPERATORS[self.operator](float(shown), self.number) else repr(found)
        return None


@dataclass(frozen=True)
class Row:
    """The figures of one arm over one category, by the names of the metrics."""

    arm: str
    category: str
    figures: Mapping[str, Estimate]


def violations(conditions: Iterable[Condition], rows: Sequence[Row]) -> list[str]:
    """One line for each condition that is met, for each arm that meets it."""
    known = dict.fromkeys(row.category for row in rows)
    for condition in conditions:
        if rows and condition.category not in known:
            raise UnknownNameError("category", condition.category, known)
    lines = []
    for condition in conditions:
        if not rows:
            lines.append(f"failed: {condition.text}: there is no drafted arm to hold it against")
        for row in rows:
            found = condition.violation(row) if row.category == condition.category else None
            if found is not None:
                lines.append(f"failed: {condition.text}: {row.arm}, {row.category}: {found}")
    return lines


def report_rows(report: Report) -> list[Row]:
    """What conditions on a run are held against."""
    return [Row(_name(arm), arm.category, _of_arm(arm)) for arm in report.arms]


def comparison_rows(comparison: Comparison) -> list[Row]:
    """What conditions on a comparison are held against: every run but the reference, and what changed."""
    return [
        Row(
            f"{entry.run}, {_name(entry.arm)}",
            entry.category,
            {
                **_of_arm(entry.arm),
                **{name: getattr(entry, name) for name in _figures(ArmComparison)},
                "same_texts": _share(entry.same_texts, entry.same_texts_compared),
                "baseline_same_texts": _share(entry.baseline_same_texts, entry.baseline_same_texts_compared),
            },
        )
        for entry in comparison.arms
    ]


def _of_arm(arm: ArmReport) -> dict[str, Estimate]:
    return {
        **{name: getattr(arm, name) for name in _figures(ArmReport)},
        "identical": _share(arm.identical, arm.compared),
        "num_failed": Estimate(arm.num_failed),
        "num_prompts": Estimate(arm.num_prompts),
    }


def _share(part: int, whole: int) -> Estimate:
    return Estimate(part / whole if whole else None)


def _name(arm: ArmReport) -> str:
    return f"{arm.drafter}, gamma {gamma_of(arm)}, rule {arm.rule}"


def _reason(metric: str, estimate: Estimate) -> str:
    if estimate.value is not None:
        return f"no interval is given for fewer than {MIN_PROMPTS} prompts"
    return "no texts were compared" if metric in ("identical", *_SAME) else "nothing was measured that it could be of"
