"""Where the time of a round goes: draft, target pass, and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import quantiles

from matplotlib.figure import Figure

from draftlab.records import Phases
from draftlab.report.names import key_of, short_names, shortened
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import INK, MUTED, PAPER, legend_below, look, new_figure, styled
from draftlab.report.reading import Run

_COLUMNS = (
    "arm",
    "rounds",
    "tokens_per_round",
    "draft_ms",
    "target_ms",
    "rest_ms",
    "round_ms",
    "round_p25_ms",
    "round_p75_ms",
)
_PARTS = ("draft", "target", "rest")


@dataclass(frozen=True)
class PhaseRow:
    """The mean round of one arm, in milliseconds."""

    arm: str
    num_rounds: int
    tokens_per_round: float
    draft_ms: float
    target_ms: float
    rest_ms: float
    middle_ms: tuple[float, float]
    """The quartiles of the rounds' times: between them lies the middle half."""

    @property
    def round_ms(self) -> float:
        """All of it."""
        return self.draft_ms + self.target_ms + self.rest_ms


def plot_phases(run: Run) -> Plot | None:
    """None where no decode was watched."""
    drafted = run.arms("drafted")
    names = {arm.id: short_names(drafted)[key_of(arm)] for arm in drafted} | {run.baseline.id: "plain decoding"}
    rows = [
        row
        for arm in (run.baseline, *drafted)
        if (row := mean_round(names[arm.id], (p for p in run.phases if p.arm == arm.id and p.error is None)))
    ]
    if not any(row.arm != "plain decoding" for row in rows):
        return None
    table = [
        (r.arm, r.num_rounds, r.tokens_per_round, r.draft_ms, r.target_ms, r.rest_ms, r.round_ms, *r.middle_ms)
        for r in rows
    ]
    return Plot("phases", "Where the time of a round goes", caption(rows), _COLUMNS, table, draw_phases(rows))


def mean_round(name: str, phases: Iterable[Phases]) -> PhaseRow | None:
    """Over all rounds of the decodes that were watched; None where there is no round."""
    watched = list(phases)
    number = sum(len(p.target_ns) for p in watched)
    if not number:
        return None
    draft, target, rest = (sum(sum(getattr(p, f"{part}_ns")) for p in watched) / number / 1e6 for part in _PARTS)
    times = [sum(parts) / 1e6 for p in watched for parts in zip(p.draft_ns, p.target_ns, p.rest_ns, strict=True)]
    low, _, high = quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    tokens = sum(sum(p.rounds.emitted) for p in watched) / number
    return PhaseRow(name, number, tokens, draft, target, rest, (low, high))


def caption(rows: Sequence[PhaseRow]) -> str:
    """What the drafter takes of a round, where that is most."""
    arms = [row for row in rows if row.arm != "plain decoding"]
    most = max(arms, key=lambda row: row.draft_ms / row.round_ms if row.round_ms else 0.0)
    share = most.draft_ms / most.round_ms if most.round_ms else 0.0
    plain = next((row for row in rows if row.arm == "plain decoding"), None)
    against = ""
    if plain is not None and plain.round_ms:
        against = f"; its round takes {most.round_ms / plain.round_ms:.2f} times as long as a plain step and brings "
        against += f"{most.tokens_per_round:.2f} tokens"
    return (
        f"{most.arm} spends {100 * share:.0f} % of a round on the draft{against}. From decodes that were watched for "
        "this, which are slower than those that are timed. Whiskers hold the middle half of the rounds."
    )


@styled
def draw_phases(rows: Sequence[PhaseRow]) -> Figure:
    """One bar for each arm, in three pieces, with the tokens that a round brings at its end."""
    figure, axes = new_figure(1.2 + 0.36 * len(rows))
    left = [0.0] * len(rows)
    for index, part in enumerate(_PARTS):
        widths = [float(getattr(row, f"{part}_ms")) for row in rows]
        how = look(index)
        axes.barh(range(len(rows)), widths, 0.6, left, color=how.color, hatch=how.hatch, edgecolor=PAPER, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for y, row in enumerate(rows):
        low, high = row.middle_ms
        axes.errorbar((low + high) / 2, y, xerr=(high - low) / 2, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
        text = f"{row.round_ms:.3g} ms, {row.tokens_per_round:.2f} tokens"
        axes.annotate(
            text,
            (max(row.round_ms, row.middle_ms[1]), y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=MUTED,
        )
    axes.set_xlim(0, max(max(row.round_ms, *row.middle_ms) for row in rows) * 1.55 or 1)
    axes.set_yticks(range(len(rows)), [shortened(row.arm, 30) for row in rows], color=INK)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("milliseconds of a mean round")
    legend_below(figure, axes, columns=3)
    return figure
