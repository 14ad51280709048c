"""What a model of costs and acceptance predicted, against what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, WIDTH, legend_below, look, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("arm", "category", "predicted", "measured", "low", "high")


@dataclass(frozen=True)
class Prediction:
    """One arm on one category: two speed-ups of the same thing."""

    arm: str
    category: str
    predicted: float
    measured: Estimate


def plot_predicted(points: Sequence[Prediction]) -> Plot | None:
    """None where nothing was predicted or measured."""
    known = [point for point in points if point.measured.value is not None]
    if not known:
        return None
    rows = [(p.arm, p.category, p.predicted, p.measured.value, p.measured.low, p.measured.high) for p in known]
    title = "Predicted and measured speed-up"
    return Plot("predicted", title, caption(known), _COLUMNS, rows, draw_predicted(known))


def caption(points: Sequence[Prediction]) -> str:
    """The largest miss, as a share of what was measured."""

    def miss(point: Prediction) -> float:
        return point.predicted / (point.measured.value or 1.0) - 1

    worst = max(points, key=lambda point: abs(miss(point)))
    way = "above" if miss(worst) > 0 else "below"
    return (
        f"The prediction is furthest off for {worst.arm} on {worst.category}: {100 * abs(miss(worst)):.0f} % {way} "
        "what was measured. On the line both are the same."
    )


@styled
def draw_predicted(points: Sequence[Prediction]) -> Figure:
    """Measured over predicted, with the line of equality."""
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for index, arm in enumerate(dict.fromkeys(point.arm for point in points)):
        how = look(index)
        for place, point in enumerate(p for p in points if p.arm == arm):
            value = point.measured.value or 0.0
            error = whiskers(value, point.measured.low, point.measured.high)
            label = arm if place == 0 else None
            axes.errorbar(point.predicted, value, yerr=error, fmt=how.mark, color=how.color, capsize=2.5, label=label)
    everything = [x for p in points for x in (p.predicted, p.measured.low or p.measured.value, p.measured.high)]
    known = [x for x in everything if x is not None]
    low, high = min(known) * 0.9, max(known) * 1.1
    axes.plot([low, high], [low, high], color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel("predicted speed-up")
    axes.set_ylabel("measured speed-up")
    axes.grid()
    legend_below(figure, axes)
    return figure
