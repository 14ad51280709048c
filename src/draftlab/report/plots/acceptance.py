"""How likely a drafted token is to be accepted, by its place in the draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from draftlab.records import Trace
from draftlab.report.names import key_of, short_names
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import WIDTH, legend_below, look, styled
from draftlab.report.reading import Run
from draftlab.stats import Estimate, ratio_of_sums

_COLUMNS = ("arm", "position", "kind", "rate", "low", "high")
Kind = Literal["unconditional", "conditional"]


@dataclass(frozen=True)
class PositionSeries:
    """One arm; entry i of each list belongs to position i + 1 of the draft."""

    arm: str
    unconditional: list[Estimate]
    """Of the rounds that drafted this position, the share that accepted it."""
    conditional: list[Estimate]
    """Of the rounds that judged this position, the share that accepted it: all before it were accepted."""


def plot_acceptance(run: Run) -> Plot | None:
    """None where nothing was drafted."""
    arms = run.arms("drafted")
    names = short_names(arms)
    series = [s for arm in arms if (s := _series(names[key_of(arm)], run.pairs(arm).by_prompt)).unconditional]
    if not series:
        return None
    rows = [
        (s.arm, i + 1, kind, e.value, e.low, e.high)
        for s in series
        for kind, estimates in (("unconditional", s.unconditional), ("conditional", s.conditional))
        for i, e in enumerate(estimates)
    ]
    title = "Acceptance by position in the draft"
    return Plot("acceptance-by-position", title, caption(series), _COLUMNS, rows, draw_acceptance(series))


def caption(series: Sequence[PositionSeries]) -> str:
    """How the first place compares with the last one that was judged, for the arm with the longest draft."""
    longest = max(series, key=lambda s: len(s.conditional))
    rates = [(i + 1, e.value) for i, e in enumerate(longest.conditional) if e.value is not None]
    if len(rates) < 2:
        return (
            f"{longest.arm} drafts one token at a time: it is accepted in {100 * (rates[0][1] or 0):.0f} % of rounds."
        )
    (_, first), (place, last) = rates[0], rates[-1]
    return (
        f"{longest.arm}: the first token is accepted in {100 * first:.0f} % of rounds, and the token at place {place} "
        f"in {100 * last:.0f} % of the rounds that come so far. Left: of all drafts that reach a place; right: only "
        "where all tokens before it were accepted."
    )


def _series(name: str, by_prompt: dict[str, list[tuple[Trace, Trace]]]) -> PositionSeries:
    """The counts of each prompt by position, and from them the rates over prompts."""
    rounds = [
        [pair for _, trace in pairs for pair in zip(trace.rounds.drafted, trace.rounds.accepted, strict=True)]
        for pairs in by_prompt.values()
    ]
    longest = max((drafted for mine in rounds for drafted, _ in mine), default=0)
    unconditional, conditional = [], []
    for i in range(longest):
        drafted = [sum(d > i for d, _ in mine) for mine in rounds]
        judged = [sum(d > i and a >= i for d, a in mine) for mine in rounds]
        accepted = [sum(a > i for _, a in mine) for mine in rounds]
        unconditional.append(ratio_of_sums(accepted, drafted))
        conditional.append(ratio_of_sums(accepted, judged))
    return PositionSeries(name, unconditional, conditional)


@styled
def draw_acceptance(series: Sequence[PositionSeries]) -> Figure:
    """Two panels with one line for each arm."""
    figure = Figure(figsize=(WIDTH, 2.5 + 0.1 * len(series)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for index, s in enumerate(series):
        shift = 0.16 * (index - (len(series) - 1) / 2) / max(1, len(series) - 1)
        _line(left, s.arm, s.unconditional, index, shift)
        _line(right, s.arm, s.conditional, index, shift)
    for axes, title in ((left, "of all drafts"), (right, "if all before were accepted")):
        axes.set_title(title, loc="left")
        axes.set_xlabel("place in the draft")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
    left.set_ylim(0, 1.02)
    left.set_ylabel("share accepted")
    legend_below(figure, left)
    return figure


def _line(axes: Axes, name: str, estimates: Sequence[Estimate], index: int, shift: float) -> None:
    how = look(index)
    points = [(i + 1 + shift, e) for i, e in enumerate(estimates) if e.value is not None]
    xs, ys = [x for x, _ in points], [e.value or 0.0 for _, e in points]
    axes.plot(xs, ys, color=how.color, marker=how.mark, linestyle=how.line, label=name, markersize=4.5)
    known = [(x, e.low, e.high) for x, e in points if e.low is not None and e.high is not None]
    axes.vlines([k[0] for k in known], [k[1] for k in known], [k[2] for k in known], color=how.color, linewidth=1.1)
