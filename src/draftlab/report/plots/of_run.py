"""All plots of a run that it has data for, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from draftlab.records import Arm
from draftlab.report.measure import Report
from draftlab.report.names import key_of
from draftlab.report.plots.acceptance import plot_acceptance
from draftlab.report.plots.block_efficiency import plot_block_efficiency
from draftlab.report.plots.lengths import plot_lengths
from draftlab.report.plots.paired_times import plot_paired_times
from draftlab.report.plots.phases import plot_phases
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.speedup import plot_speedup
from draftlab.report.reading import Run
from draftlab.report.verdict import best_arm

PLOTS: tuple[Callable[[Run, Report], Plot | None], ...] = (
    lambda run, report: plot_speedup(report),
    lambda run, report: _times(run, report),
    lambda run, report: plot_acceptance(run),
    lambda run, report: plot_lengths(run),
    lambda run, report: plot_block_efficiency(report),
    lambda run, report: plot_phases(run),
)
"""One line for each plot; None where the run has no data for it."""


def plots_of(run: Run, report: Report) -> list[Plot]:
    """Draw every plot that there is data for."""
    return [plot for draw in PLOTS if (plot := draw(run, report)) is not None]


def _times(run: Run, report: Report) -> Plot | None:
    """Of the arm that the verdict is about; the points of several arms would cover one another."""
    best = best_arm([arm for arm in report.arms if arm.category == "all"])
    found: list[Arm] = [arm for arm in run.arms("drafted") if best is not None and key_of(arm) == key_of(best)]
    return plot_paired_times(run, found[0]) if found else None
