"""All plots of a run that it has data for, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Callable

from draftlab.records import Arm
from draftlab.report.brakes import CAUSES
from draftlab.report.measure import ArmReport, Report
from draftlab.report.names import key_of, one_line, short_names
from draftlab.report.plots.acceptance import plot_acceptance
from draftlab.report.plots.block_efficiency import plot_block_efficiency
from draftlab.report.plots.causes import Cause, plot_causes
from draftlab.report.plots.groups import GroupRate, plot_groups
from draftlab.report.plots.lengths import plot_lengths
from draftlab.report.plots.paired_times import plot_paired_times
from draftlab.report.plots.phases import plot_phases
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.predicted import Prediction, plot_predicted
from draftlab.report.plots.speedup import plot_speedup
from draftlab.report.reading import Run
from draftlab.report.verdict import best_arm

PLOTS: tuple[Callable[[Run, Report], Plot | None], ...] = (
    lambda run, report: plot_speedup(report),
    lambda run, report: _times(run, report),
    lambda run, report: plot_acceptance(report),
    lambda run, report: plot_lengths(run),
    lambda run, report: plot_groups("token class", _rates(report, "token_class")),
    lambda run, report: plot_groups("the target's entropy", _rates(report, "entropy")),
    lambda run, report: plot_block_efficiency(report, _replayed(run)),
    lambda run, report: plot_predicted(_predictions(report)),
    lambda run, report: plot_phases(run),
    lambda run, report: plot_causes(_causes(report)),
)
"""One line for each plot; None where the run has no data for it."""


def plots_of(run: Run, report: Report) -> list[Plot]:
    """Draw every plot that there is data for."""
    return [plot for draw in PLOTS if (plot := draw(run, report)) is not None]


def _whole(report: Report) -> list[tuple[str, ArmReport]]:
    """Each arm over all prompts, with its short name."""
    names = short_names(report.arms)
    return [(names[key_of(arm)], arm) for arm in report.arms if arm.category == "all"]


def _rates(report: Report, by: str) -> list[GroupRate]:
    return [
        GroupRate(name, group.name, group.num_judged, group.share, group.acceptance_rate)
        for name, arm in _whole(report)
        for group in arm.acceptance_by
        if group.by == by
    ]


def _predictions(report: Report) -> list[Prediction]:
    names = short_names(report.arms)
    return [
        Prediction(names[key_of(arm)], one_line(arm.category), arm.predicted_speedup, arm.walltime_speedup)
        for arm in report.arms
        if arm.predicted_speedup is not None and arm.predicted_speedup.value is not None
    ]


def _causes(report: Report) -> list[Cause]:
    return [
        Cause(name, CAUSES[each.cause], each.speedup_if_removed, each.gain)
        for name, arm in _whole(report)
        if arm.why_not_faster
        for each in arm.why_not_faster.causes
    ]


def _replayed(run: Run) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """By drafter and rule, the block efficiency of each gamma along the plain texts, where they were replayed."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for drafter, rule in dict.fromkeys((arm.drafter, arm.rule) for arm in run.arms("drafted")):
        last = {r.key: r for r in run.replays}  # those for more gammas are added behind
        mine = [r for r in last.values() if (r.drafter, r.policy) == (drafter, "fixed")]
        sums = zip(*(zip(r.accepted, r.rounds, strict=True) for r in mine), strict=False)
        pairs = [(sum(a for a, _ in column), sum(n for _, n in column)) for column in sums]
        found[drafter, rule] = [(g, (a + n) / n) for g, (a, n) in enumerate(pairs) if g and n]
    return found


def _times(run: Run, report: Report) -> Plot | None:
    """Of the arm that the verdict is about; the points of several arms would cover one another."""
    best = best_arm([arm for arm in report.arms if arm.category == "all"])
    found: list[Arm] = [arm for arm in run.arms("drafted") if best is not None and key_of(arm) == key_of(best)]
    return plot_paired_times(run, found[0]) if found else None
