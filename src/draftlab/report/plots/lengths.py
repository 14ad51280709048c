"""How many drafted tokens a round accepts: the distribution behind every mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from draftlab.metrics import accepted_lengths, empty_rounds
from draftlab.report.names import key_of, short_names, shortened
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import (
    BAND,
    FIRST_STEPS,
    INK,
    MUTED,
    ON_FEW,
    ON_MANY,
    PAPER,
    STEPS,
    legend_below,
    new_figure,
    styled,
)
from draftlab.report.reading import Run

_COLUMNS = ("arm", "accepted", "rounds", "share")
_NO_DRAFT = "no draft"


@dataclass(frozen=True)
class LengthRow:
    """One arm: entry i of `rounds` is the number of rounds that drafted and accepted i tokens of it."""

    arm: str
    rounds: tuple[int, ...]
    empty: int = 0
    """Rounds that drafted nothing."""

    @property
    def pieces(self) -> list[tuple[str, int]]:
        """Every kind of round, with how many there were."""
        named = [(str(n), count) for n, count in enumerate(self.rounds)]
        return [(_NO_DRAFT, self.empty), *named] if self.empty else named

    @property
    def total(self) -> int:
        """All rounds."""
        return sum(self.rounds) + self.empty

    def share(self, name: str) -> float:
        """Of all rounds."""
        return dict(self.pieces).get(name, 0) / self.total


def plot_lengths(run: Run) -> Plot | None:
    """None where no arm drafted."""
    arms = run.arms("drafted")
    names = short_names(arms)
    rows = []
    for arm in arms:
        traces = [trace for _, trace in run.pairs(arm).all()]
        if found := accepted_lengths(traces):
            rows.append(LengthRow(names[key_of(arm)], tuple(found), empty_rounds(traces)))
    if not rows:
        return None
    table = [(r.arm, name, count, count / r.total) for r in rows for name, count in r.pieces]
    title = "Accepted tokens in a round"
    return Plot("accepted-lengths", title, caption(rows), _COLUMNS, table, draw_lengths(rows))


def caption(rows: Sequence[LengthRow]) -> str:
    """How often a draft yields nothing, where that is most and least often; and how often there is none."""
    none = sorted((row.rounds[0] / sum(row.rounds), row.arm) for row in rows)
    (least, best), (most, worst) = none[0], none[-1]
    text = f"{worst} has nothing accepted in {100 * most:.0f} % of the rounds that draft"
    text += f", {best} in {100 * least:.0f} %." if len(rows) > 1 else "."
    idle = max(rows, key=lambda row: row.share(_NO_DRAFT))
    if idle.empty:
        text += f" {idle.arm} drafts nothing in {100 * idle.share(_NO_DRAFT):.0f} % of its rounds."
    return text


@styled
def draw_lengths(rows: Sequence[LengthRow]) -> Figure:
    """One bar for each arm, in pieces: no draft, then from none to all accepted; the longer the darker."""
    figure, axes = new_figure(1.15 + 0.36 * len(rows))
    longest = max(len(row.rounds) for row in rows)
    left, labels = [0.0] * len(rows), []
    names = [_NO_DRAFT] if any(row.empty for row in rows) else []
    for name in [*names, *map(str, range(longest))]:
        shares = [row.share(name) for row in rows]
        look, ink = _look(name, longest)
        bars = axes.barh(range(len(rows)), shares, 0.62, left, edgecolor=PAPER, linewidth=1, label=name, **look)
        for y, (share, start, piece) in enumerate(zip(shares, left, bars, strict=True)):
            text = f"{name}: {100 * share:.0f} %"
            place = (start + share / 2, y)
            labels.append((piece, axes.text(*place, text, ha="center", va="center", fontsize=7, color=ink)))
        left = [start + share for start, share in zip(left, shares, strict=True)]
    axes.set_yticks(range(len(rows)), [shortened(row.arm, 30) for row in rows], color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.set_xlabel("share of rounds, by number of accepted tokens")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    legend_below(figure, axes, columns=min(longest + len(names), 8))
    _drop_what_overruns(figure, labels)
    return figure


def _look(name: str, longest: int) -> tuple[dict[str, Any], str]:
    """How a piece is drawn, and the colour of letters on it."""
    if name == _NO_DRAFT:
        return {"color": BAND, "hatch": "///"}, MUTED
    step = round(int(name) * (len(STEPS) - 1) / max(1, longest - 1))
    return {"color": STEPS[step]}, ON_FEW if step < FIRST_STEPS else ON_MANY


def _drop_what_overruns(figure: Figure, labels: Sequence[tuple[Rectangle, Text]]) -> None:
    """Take away each label that is wider than its piece."""
    figure.draw_without_rendering()
    wide = [text for piece, text in labels if text.get_window_extent().width > 0.94 * piece.get_window_extent().width]
    for text in wide:
        text.remove()
