"""A map of drafters and draft lengths as a plot; colour is by lightness, and every field has its number."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from draftlab.grid.maps import HeatMap, heat_maps
from draftlab.grid.measure import GridReport
from draftlab.report.names import one_line, short_drafter
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import BAND, FIRST_STEPS, INK, MUTED, ON_FEW, ON_MANY, PAPER, STEPS, new_figure, styled


def plots_of_grid(report: GridReport) -> list[Plot]:
    """Every map that has a number in it."""
    maps = [each for each in heat_maps(report) if _values(each)]
    return [_plot(each, number) for number, each in enumerate(maps, 1)]


def _plot(found: HeatMap, number: int) -> Plot:
    rows = [
        (one_line(drafter), gamma, value)
        for drafter, row in zip(found.drafters, found.rows, strict=True)
        for gamma, value in zip(found.gammas, row, strict=True)
    ]
    title = one_line(found.title)
    return Plot(
        f"map-{number}",
        f"{title[:1].upper()}{title[1:]}",
        _caption(found),
        ("drafter", "gamma", "walltime_speedup" if found.is_speed else "acceptance_rate"),
        rows,
        draw_map(found),
    )


def _values(found: HeatMap) -> list[float]:
    return [value for row in found.rows for value in row if value is not None]


def _caption(found: HeatMap) -> str:
    value, drafter, gamma = max(
        (value, drafter, gamma)
        for drafter, row in zip(found.drafters, found.rows, strict=True)
        for gamma, value in zip(found.gammas, row, strict=True)
        if value is not None
    )
    unit = "x" if found.is_speed else ""
    return f"The largest is {value:.2f}{unit}, for {one_line(short_drafter(drafter))} with draft length {gamma}."


@styled
def draw_map(found: HeatMap) -> Figure:
    """A field for each drafter and draft length."""
    figure, axes = new_figure(0.75 + 0.34 * len(found.drafters))
    values = _values(found)
    for y, row in enumerate(found.rows):
        for x, value in enumerate(row):
            ground, ink = _shade(value, values)
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=ground, edgecolor=PAPER, linewidth=1.5))
            text = "–" if value is None else f"{value:.2f}{'x' if found.is_speed else ''}"
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color=ink)
    axes.set_xlim(-0.5, len(found.gammas) - 0.5)
    axes.set_ylim(len(found.drafters) - 0.5, -0.5)
    axes.set_xticks(range(len(found.gammas)), found.gammas)
    axes.set_yticks(range(len(found.drafters)), [short_drafter(name) for name in found.drafters], color=INK)
    axes.set_xlabel("draft length (gamma)")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure


def _shade(value: float | None, values: Sequence[float]) -> tuple[str, str]:
    """Ground and letters; the scale goes from the least to the most."""
    if value is None:
        return BAND, MUTED
    low, high = min(values), max(values)
    step = round((value - low) / (high - low) * (len(STEPS) - 1)) if high > low else 0
    return STEPS[step], ON_FEW if step < FIRST_STEPS else ON_MANY
