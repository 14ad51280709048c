"""What a model of costs and acceptance predicted, against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, MUTED, WIDTH, legend_below, legend_label, look, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("arm", "category", "predicted", "predicted_low", "predicted_high", "measured", "low", "high")


@dataclass(frozen=True)
class Prediction:
    """One arm on one category: two speed-ups of the same thing."""

    arm: str
    category: str
    predicted: Estimate
    measured: Estimate


def plot_predicted(points: Sequence[Prediction]) -> Plot | None:
    """None where nothing was predicted or measured."""
    known = [p for p in points if p.measured.value is not None and p.predicted.value is not None]
    if not known:
        return None
    rows = [
        (p.arm, p.category, *(end for e in (p.predicted, p.measured) for end in (e.value, e.low, e.high)))
        for p in known
    ]
    title = "Predicted and measured speed-up"
    return Plot("predicted", title, caption(known), _COLUMNS, rows, draw_predicted(known))


def caption(points: Sequence[Prediction]) -> str:
    """The largest miss, as a share of what was measured."""

    def miss(point: Prediction) -> float:
        return (point.predicted.value or 0.0) / (point.measured.value or 1.0) - 1

    worst = max(points, key=lambda point: abs(miss(point)))
    way = "above" if miss(worst) > 0 else "below"
    return (
        f"The prediction is furthest off for {worst.arm} on {worst.category}: {100 * abs(miss(worst)):.0f} % {way} "
        "what was measured. On the line both are the same. Bars are 95 % intervals over prompts; "
        "those of the predictions take the costs as known."
    )


@styled
def draw_predicted(points: Sequence[Prediction]) -> Figure:
    """Measured over predicted, with the line of equality: a colour for each arm, a mark for each category."""
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    axes = figure.add_subplot()
    arms, categories = (list(dict.fromkeys(names)) for names in ([p.arm for p in points], [p.category for p in points]))
    for p in points:
        x, y = p.predicted.value or 0.0, p.measured.value or 0.0
        axes.errorbar(
            x,
            y,
            xerr=whiskers(x, p.predicted.low, p.predicted.high),
            yerr=whiskers(y, p.measured.low, p.measured.high),
            fmt=look(categories.index(p.category)).mark,
            color=look(arms.index(p.arm)).color,
            elinewidth=1,
            capsize=2,
        )
    known = [x for p in points for e in (p.predicted, p.measured) for x in (e.value, e.low, e.high) if x is not None]
    low, high = min(known) * 0.9, max(known) * 1.1
    axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("predicted speed-up")
    axes.set_ylabel("measured speed-up")
    axes.grid()
    legend_below(figure, axes, handles=_legend(arms, categories))
    return figure


def _legend(arms: Sequence[str], categories: Sequence[str]) -> list[Line2D]:
    colors = [Line2D([], [], color=look(i).color, linewidth=4, label=legend_label(arm)) for i, arm in enumerate(arms)]
    marks = [
        Line2D([], [], color=MUTED, marker=look(i).mark, linestyle="", label=legend_label(category))
        for i, category in enumerate(categories)
    ]
    return colors + marks
