"""How laws are compared, and the line at the end of a run that says how much was compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from _pytest.terminal import TerminalReporter

from draftlab.testing import total_variation

TOLERANCE = 1e-9
HERE = "tests/laws/"
DISTANCE, REJECTED = "total_variation", "rejected_bug"  # properties that tests record and the last line sums up

SameLaw = Callable[[Mapping[tuple[int, ...], float], Mapping[tuple[int, ...], float]], None]
Rejected = Callable[[str], None]


@pytest.fixture
def same_law(record_property: Callable[[str, object], None]) -> SameLaw:
    """Asserts that two laws are equal up to rounding."""

    def check(law: Mapping[tuple[int, ...], float], expected: Mapping[tuple[int, ...], float]) -> None:
        distance = total_variation(law, expected)
        record_property(DISTANCE, distance)  # first, so that the last line shows a law that is off
        assert distance < TOLERANCE

    return check


@pytest.fixture
def rejected(record_property: Callable[[str, object], None]) -> Rejected:
    """Notes that a planted bug was found."""
    return lambda name: record_property(REJECTED, name)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    stats = terminalreporter.stats
    reports = [r for kind in ("", "passed", "failed", "error") for r in stats.get(kind, ()) if hasattr(r, "duration")]
    reports = [r for r in reports if r.nodeid.startswith(HERE)]
    found = [pair for r in reports if r.when == "call" for pair in r.user_properties]
    distances = [value for name, value in found if name == DISTANCE]
    bugs = {value for name, value in found if name == REJECTED}
    if distances or bugs:
        terminalreporter.write_line(
            f"laws: {len(distances):,} cases, largest total variation {max(distances, default=0.0):.2g}, "
            f"{len(bugs)} planted bugs rejected, {sum(r.duration for r in reports):.0f} s"
        )
