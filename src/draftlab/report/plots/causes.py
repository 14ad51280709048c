"""Why it is not faster: what the speed-up would be without each of the things that cost time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, MUTED, PAPER, legend_below, legend_label, look, new_figure, styled

_COLUMNS = ("arm", "cause", "speedup_if_removed", "gain_over_predicted")
_LEAST_GAIN = 0.005  # less would be printed as 0 %


@dataclass(frozen=True)
class Cause:
    """One thing that costs time in one arm."""

    arm: str
    cause: str
    speedup_if_removed: float
    gain: float
    """speedup_if_removed / predicted speed-up - 1. Not above 0: to take it away would not help."""


def plot_causes(causes: Sequence[Cause]) -> Plot | None:
    """None where no cause is known that costs anything. What costs nothing, or pays, stands in the table only."""
    costly = [cause for cause in causes if cause.gain >= _LEAST_GAIN]
    if not costly:
        return None
    rows = [(c.arm, c.cause, c.speedup_if_removed, c.gain) for c in causes]
    return Plot("why-not-faster", "Why it is not faster", caption(costly), _COLUMNS, rows, draw_causes(costly))


def caption(causes: Sequence[Cause]) -> str:
    """What would help most."""
    first = max(causes, key=lambda cause: cause.gain)
    return (
        f"Without “{first.cause}”, {first.arm} would be {first.speedup_if_removed:.2f} times as fast as plain "
        f"decoding: {100 * first.gain:.0f} % more than the costs predict with it. The gains overlap, and do not add up."
    )


@styled
def draw_causes(causes: Sequence[Cause]) -> Figure:
    """One group of bars for each cause, one bar for each arm."""
    arms = list(dict.fromkeys(cause.arm for cause in causes))
    names = list(dict.fromkeys(cause.cause for cause in causes))
    thick = 0.8 / len(arms)
    figure, axes = new_figure(1.2 + len(names) * (0.16 + 0.19 * len(arms)))
    for index, arm in enumerate(arms):
        how = look(index)
        mine = [cause for cause in causes if cause.arm == arm]
        ys = [names.index(cause.cause) + thick * (index - (len(arms) - 1) / 2) for cause in mine]
        axes.barh(
            ys,
            [c.gain for c in mine],
            thick * 0.9,
            color=how.color,
            hatch=how.hatch,
            edgecolor=PAPER,
            label=legend_label(arm),
        )
        for y, cause in zip(ys, mine, strict=True):
            axes.annotate(
                f"{100 * cause.gain:+.0f} %",
                (max(0.0, cause.gain), y),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
                color=MUTED,
            )
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.16)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_xlabel("gain over the predicted speed-up, if it cost nothing")
    legend_below(figure, axes)
    return figure
