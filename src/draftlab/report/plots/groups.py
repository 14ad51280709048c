"""Acceptance by the kind of a token, or by how certain the target was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from draftlab.report.names import shortened
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import legend_below, legend_label, look, new_figure, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("arm", "group", "judged", "share", "acceptance_rate", "low", "high")


@dataclass(frozen=True)
class GroupRate:
    """The judged tokens of one arm that belong to one group."""

    arm: str
    group: str
    num_judged: int
    share: float
    """Of all judged tokens."""
    rate: Estimate


def plot_groups(by: str, rates: Sequence[GroupRate]) -> Plot | None:
    """`by`: what the groups tell apart, as in `token class`. None where no group has a rate."""
    known = [rate for rate in rates if rate.rate.value is not None]
    if not known:
        return None
    rows = [(r.arm, r.group, r.num_judged, r.share, r.rate.value, r.rate.low, r.rate.high) for r in known]
    name = "acceptance-by-" + "".join(c if c.isascii() and c.isalnum() else "-" for c in by)
    return Plot(name, f"Acceptance by {by}", caption(known), _COLUMNS, rows, draw_groups(known))


def caption(rates: Sequence[GroupRate]) -> str:
    """The best and the worst group of the arm with the most judged tokens."""
    judged = {arm: sum(r.num_judged for r in rates if r.arm == arm) for arm in dict.fromkeys(r.arm for r in rates)}
    arm = max(judged, key=lambda name: judged[name])
    mine = sorted((r for r in rates if r.arm == arm), key=lambda r: r.rate.value or 0.0)
    worst, best = mine[0], mine[-1]
    if len(mine) < 2:
        return f"{arm}: {best.group} {100 * (best.rate.value or 0):.0f} %."
    return (
        f"{arm}: most often accepted is {best.group} ({100 * (best.rate.value or 0):.0f} %), least often {worst.group} "
        f"({100 * (worst.rate.value or 0):.0f} %, {100 * worst.share:.0f} % of the tokens)."
    )


@styled
def draw_groups(rates: Sequence[GroupRate]) -> Figure:
    """One line for each group, in the order given; one mark for each arm."""
    arms, groups = (list(dict.fromkeys(names)) for names in ([r.arm for r in rates], [r.group for r in rates]))
    figure, axes = new_figure(1.2 + len(groups) * (0.16 + 0.11 * len(arms)))
    for index, arm in enumerate(arms):
        how = look(index)
        shift = 0.6 * (index - (len(arms) - 1) / 2) / len(arms)
        for place, r in enumerate(rate for rate in rates if rate.arm == arm):
            value = r.rate.value or 0.0
            axes.errorbar(
                value,
                groups.index(r.group) + shift,
                xerr=whiskers(value, r.rate.low, r.rate.high),
                fmt=how.mark,
                color=how.color,
                markersize=4.5,
                capsize=2,
                label=legend_label(arm) if place == 0 else None,
            )
    axes.set_yticks(range(len(groups)), [shortened(group, 26) for group in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("share of judged tokens accepted")
    legend_below(figure, axes)
    return figure
