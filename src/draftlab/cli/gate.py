"""`--fail-if`: conditions are read before anything runs, and what they find goes to standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from draftlab.report.conditions import Condition, Metrics, Row


def read_conditions(texts: Sequence[str] | None, metrics: Metrics) -> list[Condition]:
    """The conditions as given; bad ones are told."""
    from draftlab.report.conditions import Condition

    return [Condition.parse(text, metrics) for text in texts or ()]


def passes(conditions: Sequence[Condition], rows: Sequence[Row]) -> bool:
    """Whether none of the conditions is met; prints a line for each that is."""
    from draftlab.report.conditions import violations
    from draftlab.report.printable import printable

    lines = violations(conditions, rows)
    for line in lines:
        print(printable(line.replace("\n", " ")), file=sys.stderr)
    return not lines
