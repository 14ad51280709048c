"""Why it is not faster: what the speed-up would be without each of the things that cost time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, MUTED, legend_below, look, new_figure, styled

_COLUMNS = ("arm", "cause", "speedup_if_removed", "gain")


@dataclass(frozen=True)
class Cause:
    """One thing that costs time in one arm."""

    arm: str
    cause: str
    speedup_if_removed: float
    gain: float
    """The speed-up without it less the speed-up with it."""


def plot_causes(causes: Sequence[Cause]) -> Plot | None:
    """None where no cause is known."""
    if not causes:
        return None
    rows = [(c.arm, c.cause, c.speedup_if_removed, c.gain) for c in causes]
    return Plot("why-not-faster", "Why it is not faster", caption(causes), _COLUMNS, rows, draw_causes(causes))


def caption(causes: Sequence[Cause]) -> str:
    """What would help most."""
    first = max(causes, key=lambda cause: cause.gain)
    return (
        f"Without “{first.cause}”, {first.arm} would be {first.speedup_if_removed:.2f} times as fast as plain decoding "
        f"({first.gain:+.2f})."
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
            ys, [c.gain for c in mine], thick * 0.9, color=how.color, hatch=how.hatch, edgecolor="#fefefe", label=arm
        )
        for y, cause in zip(ys, mine, strict=True):
            axes.annotate(
                f"{cause.gain:+.2f}",
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
    axes.set_xlabel("gain in speed-up if it cost nothing")
    legend_below(figure, axes)
    return figure
