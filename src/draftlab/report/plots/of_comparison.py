"""The plots of a comparison: how the speed-up of each arm changed, and where it was before."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from draftlab.report.compare import ArmComparison, Comparison
from draftlab.report.names import key_of, one_line, short_names, shortened
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import GRID, INK, legend_below, look, new_figure, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("entry", "before", "before_low", "before_high", "now", "now_low", "now_high")
_RATIO_COLUMNS = ("entry", "ratio", "low", "high", "verdict")


def plots_of_comparison(comparison: Comparison) -> list[Plot]:
    """Both speed-ups of each entry side by side, and their ratio; nothing where no entry has them."""
    names = entry_names(comparison)
    known = [
        (name, entry)
        for name, entry in zip(names, comparison.arms, strict=True)
        if entry.walltime_speedup_ratio.value is not None
    ]
    if not known:
        return []
    pairs = [(name, entry.reference.walltime_speedup, entry.arm.walltime_speedup) for name, entry in known]
    pair_rows = [(n, b.value, b.low, b.high, a.value, a.low, a.high) for n, b, a in pairs]
    ratios = [(name, entry.walltime_speedup_ratio) for name, entry in known]
    ratio_rows = [
        (name, ratio.value, ratio.low, ratio.high, entry.verdict)
        for (name, ratio), (_, entry) in zip(ratios, known, strict=True)
    ]
    changed = sum(entry.verdict in ("faster", "slower") for _, entry in known)
    return [
        Plot(
            "speedup-before-and-now",
            "Speed-up before and now",
            "Each line joins the speed-up in the reference with that in the run, over the same decodes.",
            _COLUMNS,
            pair_rows,
            draw_pairs(pairs),
        ),
        Plot(
            "speedup-ratio",
            "Speed-up now over before",
            f"{changed} of {len(known)} have a 95 % interval that does not reach the line of no change.",
            _RATIO_COLUMNS,
            ratio_rows,
            draw_ratios(ratios),
        ),
    ]


def entry_names(comparison: Comparison) -> list[str]:
    """A name for each entry: its arm and category, and its run where there are several."""
    arms = short_names(entry.arm for entry in comparison.arms)
    several = len(comparison.runs) > 1

    def name(entry: ArmComparison) -> str:
        run = f"{shortened(one_line(entry.run.rstrip('/').rpartition('/')[2]), 20)}: " if several else ""
        return f"{run}{arms[key_of(entry.arm)]}, {one_line(entry.category)}"

    return [name(entry) for entry in comparison.arms]


@styled
def draw_pairs(pairs: Sequence[tuple[str, Estimate, Estimate]]) -> Figure:
    """One line for each entry with two marks on it."""
    figure, axes = new_figure(1.2 + 0.34 * len(pairs))
    for y, (_, before, now) in enumerate(pairs):
        axes.plot([before.value or 0.0, now.value or 0.0], [y, y], color=GRID, linewidth=4, solid_capstyle="round")
        for index, (label, estimate, shift) in enumerate((("before", before, -0.09), ("now", now, 0.09))):
            how, value = look(index), estimate.value or 0.0
            error = whiskers(value, estimate.low, estimate.high)
            axes.errorbar(
                value, y + shift, xerr=error, fmt=how.mark, color=how.color, capsize=2, label=label if y == 0 else None
            )
    return _finish(figure, [name for name, _, _ in pairs], "times as fast as plain decoding")


@styled
def draw_ratios(ratios: Sequence[tuple[str, Estimate]]) -> Figure:
    """One mark for each entry, and the line of no change."""
    figure, axes = new_figure(1.0 + 0.3 * len(ratios))
    for y, (_, ratio) in enumerate(ratios):
        value = ratio.value or 0.0
        error = whiskers(value, ratio.low, ratio.high)
        axes.errorbar(value, y, xerr=error, fmt="D", color=look(0).color, capsize=2.5)
    return _finish(figure, [name for name, _ in ratios], "speed-up now over speed-up before")


def _finish(figure: Figure, names: Sequence[str], label: str) -> Figure:
    axes = figure.axes[0]
    axes.axvline(1.0, color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=1)
    axes.set_yticks(range(len(names)), [shortened(name, 36) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(label)
    legend_below(figure, axes)
    return figure
