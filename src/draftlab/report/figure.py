"""A figure in the form in which people read it."""

from __future__ import annotations

from draftlab.stats import Estimate


def figure(estimate: Estimate, form: str, *, unit: str = "", interval: bool = True) -> str:
    """A figure as people read it, with its interval where there is one; a dash where it is not defined."""
    if estimate.value is None:
        return "–"
    value = f"{estimate.value:{form}}{unit}"
    if interval and estimate.low is not None:
        return f"{value} [{estimate.low:{form}}, {estimate.high:{form}}]"
    return value
