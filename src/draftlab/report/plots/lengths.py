"""How many drafted tokens a round accepts: the distribution behind every mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from draftlab.report.names import key_of, short_names, shortened
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, PAPER, STEPS, legend_below, new_figure, styled
from draftlab.report.reading import Run

_COLUMNS = ("arm", "accepted", "rounds", "share")
_ROOM_FOR_NUMBER = 0.115


@dataclass(frozen=True)
class LengthRow:
    """One arm: entry i is the number of rounds that accepted i drafted tokens."""

    arm: str
    rounds: tuple[int, ...]


def plot_lengths(run: Run) -> Plot | None:
    """None where no arm has a round."""
    arms = run.arms("drafted")
    names = short_names(arms)
    rows = []
    for arm in arms:
        found = Counter(n for _, trace in run.pairs(arm).all() for n in trace.rounds.accepted)
        if found:
            rows.append(LengthRow(names[key_of(arm)], tuple(found[n] for n in range(max(found) + 1))))
    if not rows:
        return None
    table = [(r.arm, n, count, count / sum(r.rounds)) for r in rows for n, count in enumerate(r.rounds)]
    title = "Accepted tokens in a round"
    return Plot("accepted-lengths", title, caption(rows), _COLUMNS, table, draw_lengths(rows))


def caption(rows: Sequence[LengthRow]) -> str:
    """How often a round yields nothing, for the arms where that is most and least often."""
    none = sorted((row.rounds[0] / sum(row.rounds), row.arm) for row in rows)
    (least, best), (most, worst) = none[0], none[-1]
    text = f"{worst} accepts nothing in {100 * most:.0f} % of its rounds"
    return f"{text}, {best} in {100 * least:.0f} %." if len(rows) > 1 else f"{text}."


@styled
def draw_lengths(rows: Sequence[LengthRow]) -> Figure:
    """One bar for each arm, in pieces from none to all accepted; the longer the darker."""
    figure, axes = new_figure(1.15 + 0.36 * len(rows))
    longest = max(len(row.rounds) for row in rows)
    left = [0.0] * len(rows)
    for n in range(longest):
        shares = [row.rounds[n] / sum(row.rounds) if n < len(row.rounds) else 0.0 for row in rows]
        step = round(n * (len(STEPS) - 1) / max(1, longest - 1))
        axes.barh(range(len(rows)), shares, 0.62, left, color=STEPS[step], edgecolor=PAPER, linewidth=1, label=str(n))
        for y, (share, start) in enumerate(zip(shares, left, strict=True)):
            if share >= _ROOM_FOR_NUMBER:
                color = "#101418" if step < 3 else "#ffffff"
                label = f"{n}: {100 * share:.0f} %"
                axes.text(start + share / 2, y, label, ha="center", va="center", fontsize=7, color=color)
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set_yticks(range(len(rows)), [shortened(row.arm, 30) for row in rows], color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of rounds, by number of accepted tokens")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    legend_below(figure, axes, columns=min(longest, 9))
    return figure
