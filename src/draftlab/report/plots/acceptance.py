"""How likely a drafted token is to be accepted, by its place in the draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from draftlab.report.acceptance import PositionReport
from draftlab.report.measure import Report
from draftlab.report.names import key_of, short_names
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import WIDTH, legend_below, legend_label, look, styled
from draftlab.stats import Estimate

_COLUMNS = ("arm", "position", "kind", "drafts", "rate", "low", "high")
_FEW = 20  # drafts; the share of fewer is off by a tenth and more, and is drawn pale
Kind = Literal["unconditional", "conditional"]
Point = tuple[int, Estimate]


@dataclass(frozen=True)
class PositionSeries:
    """One arm; entry i of `positions` belongs to place i + 1 of the draft."""

    arm: str
    positions: Sequence[PositionReport]

    def points(self, kind: Kind) -> list[Point]:
        """The number of drafts behind each share, and the share."""
        if kind == "unconditional":
            return [(p.num_drafted, p.acceptance) for p in self.positions]
        return [(p.num_judged, p.conditional) for p in self.positions]


def plot_acceptance(report: Report) -> Plot | None:
    """None where nothing was drafted."""
    names = short_names(report.arms)
    whole = [arm for arm in report.arms if arm.category == "all" and arm.positions]
    series = [PositionSeries(names[key_of(arm)], arm.positions) for arm in whole]
    if not series:
        return None
    kinds: tuple[Kind, ...] = ("unconditional", "conditional")
    rows = [
        (s.arm, i + 1, kind, number, e.value, e.low, e.high)
        for s in series
        for kind in kinds
        for i, (number, e) in enumerate(s.points(kind))
    ]
    title = "Acceptance by position in the draft"
    return Plot("acceptance-by-position", title, caption(series), _COLUMNS, rows, draw_acceptance(series))


def caption(series: Sequence[PositionSeries]) -> str:
    """How the first place compares with the last one that enough drafts came to, for the arm where that is furthest."""
    known = {s.arm: _known(s) for s in series}
    arm = max(known, key=lambda name: len(known[name]))
    places = known[arm]
    first = f"{arm}: the first token is accepted in {100 * places[0][1]:.0f} % of the rounds that draft"
    if len(places) > 1:
        place, last = places[-1]
        first += f", and the token at place {place} in {100 * last:.0f} % of those that accept all before it"
    return (
        f"{first}. Left: of the drafts that are long enough to have the place; right: only where all tokens before it "
        f"were accepted. Pale: fewer than {_FEW} drafts."
    )


def _known(series: PositionSeries) -> list[tuple[int, float]]:
    """Place and share, given all before; of few drafts only the first place, which is always there."""
    found = [(i + 1, number, e.value) for i, (number, e) in enumerate(series.points("conditional"))]
    return [(place, value) for place, number, value in found if value is not None and (number >= _FEW or place == 1)]


@styled
def draw_acceptance(series: Sequence[PositionSeries]) -> Figure:
    """Two panels with one line for each arm."""
    figure = Figure(figsize=(WIDTH, 2.5 + 0.1 * len(series)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for index, s in enumerate(series):
        shift = 0.16 * (index - (len(series) - 1) / 2) / max(1, len(series) - 1)
        _line(left, s.arm, s.points("unconditional"), index, shift)
        _line(right, s.arm, s.points("conditional"), index, shift)
    for axes, title in ((left, "of drafts this long"), (right, "if all before were accepted")):
        axes.set_title(title, loc="left")
        axes.set_xlabel("place in the draft")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
    left.set_ylim(0, 1.02)
    left.set_ylabel("share accepted")
    legend_below(figure, left)
    return figure


def _line(axes: Axes, name: str, found: Sequence[Point], index: int, shift: float) -> None:
    how = look(index)
    points = [(i + 1 + shift, number, e) for i, (number, e) in enumerate(found) if e.value is not None]
    many = [(x, e) for x, number, e in points if number >= _FEW]
    few = [(x, e) for x, number, e in points if number < _FEW]
    for some, alpha, line, label in ((many, 1.0, how.line, legend_label(name)), (few, 0.35, "", None)):
        xs, ys = [x for x, _ in some], [e.value or 0.0 for _, e in some]
        axes.plot(xs, ys, color=how.color, marker=how.mark, linestyle=line, alpha=alpha, label=label, markersize=4.5)
        known = [(x, e.low, e.high) for x, e in some if e.low is not None and e.high is not None]
        lows, highs = [low for _, low, _ in known], [high for _, _, high in known]
        axes.vlines([x for x, _, _ in known], lows, highs, color=how.color, linewidth=1.1, alpha=alpha)
