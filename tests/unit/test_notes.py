"""A line is printed where there is a reason for it, and says what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from draftlab.report.measure import PrecisionReport, Report, measure
from draftlab.report.noise import MachineReport
from draftlab.report.notes import machine_notes, within_noise
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import manifest

QUIET = {"others_share": 0.1, "swapped_bytes": 0, "throttled": 0}


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return measure(Store.create(tmp_path / "run", manifest()))


def lines(report: Report, **found: Any) -> list[str]:
    return list(machine_notes(report.model_copy(update=found)))


def test_a_run_that_measured_nothing_of_its_machine_says_nothing(report: Report) -> None:
    assert lines(report) == []


def test_the_noise_floor(report: Report) -> None:
    assert lines(report, noise_floor=Estimate(1.009, 0.98, 1.04)) == [
        "noise floor: the baseline against itself 1.01x [0.98, 1.04]"
    ]
    assert lines(report, noise_floor=Estimate(1.009)) == ["noise floor: the baseline against itself 1.01x"]
    assert lines(report, noise_floor=Estimate(None)) == []


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (Estimate(0.92, 0.9, 0.95), ["drift: the machine was 8 % slower at the end (0.92x [0.90, 0.95])"]),
        (Estimate(1.1, 1.05, 1.2), ["drift: the machine was 10 % faster at the end (1.10x [1.05, 1.20])"]),
        (Estimate(0.92, 0.8, 1.01), []),
        (Estimate(0.92), []),
        (Estimate(None), []),
    ],
)
def test_a_drift_is_told_where_it_is_certain(report: Report, drift: Estimate, expected: list[str]) -> None:
    assert lines(report, drift=drift) == expected


def test_a_quiet_machine_is_not_mentioned(report: Report) -> None:
    assert lines(report, machine=MachineReport(**QUIET)) == []
    assert lines(report, machine=MachineReport(others_share=None, swapped_bytes=None, throttled=None)) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"others_share": 0.234}, "loaded: other programs used 23 % of the processor's cores meanwhile"),
        ({"swapped_bytes": 5 * 2**20}, "swapped: 5 MiB went to or came from disk for want of memory"),
        ({"throttled": 3}, "throttled: the processor was slowed down for its temperature, 3 times"),
    ],
)
def test_what_disturbed_a_run_is_told(report: Report, changed: dict[str, Any], expected: str) -> None:
    assert lines(report, machine=MachineReport(**(QUIET | changed))) == [expected]


@pytest.mark.parametrize(
    ("half_width", "end", "expected"),
    [
        (0.018, "reached", "until 2 %: 1.8 % to each side of the widest interval, repetitions: 5; reached"),
        (0.031, None, "until 2 %: 3.1 % to each side of the widest interval, repetitions: 5; not reached yet"),
        (0.031, "budget", "until 2 %: 3.1 % to each side of the widest interval, repetitions: 5; not reached in the"),
        (None, "impossible", "until 2 %: repetitions: 5; cannot be had"),
    ],
)
def test_what_was_reached_of_a_precision(report: Report, half_width: float | None, end: Any, expected: str) -> None:
    (line,) = lines(report, precision=PrecisionReport(until=0.02, half_width=half_width, repetitions=5, end=end))
    assert line.startswith(expected)


def test_the_rows_that_cannot_be_told_from_no_gain_are_named(report: Report) -> None:
    code, prose, every = report.arms
    assert within_noise(report.arms) is None
    rows = [code, *(row.model_copy(update={"within_noise": True}) for row in (prose, every))]
    assert within_noise(rows) == "within noise: prose, all"
