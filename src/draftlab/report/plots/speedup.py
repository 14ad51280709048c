"""The speed-up of every arm on every category, with the noise floor beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from draftlab.report.measure import Report
from draftlab.report.names import key_of, one_line, short_names, shortened
from draftlab.report.noise import noise_reach
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import BAND, INK, MUTED, legend_below, look, new_figure, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("arm", "category", "prompts", "walltime_speedup", "low", "high", "within_noise")


@dataclass(frozen=True)
class SpeedupRow:
    """One arm on one category."""

    arm: str
    category: str
    num_prompts: int
    speedup: Estimate
    within_noise: bool | None


def plot_speedup(report: Report) -> Plot | None:
    """None where no arm has a speed-up."""
    names = short_names(report.arms)
    rows = [
        SpeedupRow(names[key_of(arm)], one_line(arm.category), arm.num_prompts, arm.walltime_speedup, arm.within_noise)
        for arm in report.arms
        if arm.walltime_speedup.value is not None
    ]
    if not rows:
        return None
    table = [
        (r.arm, r.category, r.num_prompts, r.speedup.value, r.speedup.low, r.speedup.high, r.within_noise) for r in rows
    ]
    figure = draw_speedup(rows, report.noise_floor)
    return Plot("speedup", "Speed-up over plain decoding", caption(rows), _COLUMNS, table, figure)


def caption(rows: Sequence[SpeedupRow]) -> str:
    """Which row stands furthest to the right, and how many cannot be told from no gain."""
    best = max(rows, key=lambda row: row.speedup.value or 0.0)
    text = f"The largest is {best.speedup.value:.2f}x, for {best.arm} on {best.category}"
    noisy, judged = sum(r.within_noise is True for r in rows), sum(r.within_noise is not None for r in rows)
    if not judged:
        return f"{text}; there are too few prompts for intervals."
    return f"{text}; {noisy} of {judged} cannot be told from no gain. Bars are 95 % intervals over prompts."


@styled
def draw_speedup(rows: Sequence[SpeedupRow], floor: Estimate | None) -> Figure:
    """One line for each row, under a heading for each arm."""
    arms = list(dict.fromkeys(row.arm for row in rows))
    categories = list(dict.fromkeys(row.category for row in rows))
    figure, axes = new_figure(1.05 + 0.24 * (len(rows) + (len(arms) if len(categories) > 1 else 0)))
    _reference(axes, floor)
    y, ticks, labels = 0.0, [], []
    for arm in arms:
        mine = [row for row in rows if row.arm == arm]
        if len(categories) > 1:
            ticks.append(y)
            labels.append(shortened(arm))
            y += 1
        for row in mine:
            _row(axes, y, row, categories.index(row.category))
            ticks.append(y)
            labels.append(shortened(arm) if len(categories) == 1 else row.category)
            y += 1
    axes.set_yticks(ticks, labels)
    if len(categories) > 1:
        for label in axes.get_yticklabels():
            if label.get_text() in {shortened(arm) for arm in arms}:
                label.set_fontweight("bold")
    axes.set_ylim(y - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("times as fast as plain decoding")
    legend_below(figure, axes)
    return figure


def _reference(axes: Axes, floor: Estimate | None) -> None:
    """The line of no gain, and around it what the baseline differs from itself."""
    if reach := noise_reach(floor):
        axes.axvspan(1 / reach, reach, color=BAND, label="noise floor: plain against plain", zorder=0.5)
    axes.axvline(1.0, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="no gain", zorder=1)


def _row(axes: Axes, y: float, row: SpeedupRow, index: int) -> None:
    how, speedup = look(index), row.speedup
    if speedup.value is None:
        return
    mark, color = ("D", INK) if row.category == "all" else (how.mark, how.color)
    axes.errorbar(
        speedup.value,
        y,
        xerr=whiskers(speedup.value, speedup.low, speedup.high),
        fmt=mark,
        color=color,
        elinewidth=1.6,
        capsize=2.5,
    )
    # A column beside the axes, where no line strikes a number out.
    right = axes.get_yaxis_transform()
    axes.text(1.02, y, f"{speedup.value:.2f}x", transform=right, va="center", fontsize=7.5, color=MUTED)
