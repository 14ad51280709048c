"""Tokens for each target pass against gamma: measured, replayed, and by a formula for independent tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from draftlab.metrics import tokens_per_round
from draftlab.report.measure import ArmReport, Report
from draftlab.report.names import gamma_of, short_drafter
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import MUTED, legend_below, legend_label, look, new_figure, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("drafter", "gamma", "kind", "block_efficiency", "low", "high")
_INDEPENDENT: Any = (0, (1, 1.6))
_AUTO: Any = (0, (6, 2))
_BEYOND = 2  # gammas that the formula is drawn further than was measured


@dataclass(frozen=True)
class EfficiencySeries:
    """One drafter."""

    drafter: str
    measured: list[tuple[int, Estimate]]
    """Of each gamma that was fixed."""
    acceptance_rate: float | None
    """Accepted over judged, of the arms of a fixed gamma together; None where there is none."""
    replayed: list[tuple[int, float]] = field(default_factory=list)
    """Of each gamma, where drafts were replayed at every place of the text."""
    auto: list[tuple[str, Estimate]] = field(default_factory=list)
    """Of arms that choose the draft length round by round: they have no place on the axis of gamma."""

    def expected(self) -> list[tuple[int, float]]:
        """If each token were accepted by itself with the same chance (Leviathan et al. 2023, equation 1)."""
        if self.acceptance_rate is None:
            return []
        longest = max([gamma for gamma, _ in self.measured] + [gamma for gamma, _ in self.replayed]) + _BEYOND
        return [(gamma, tokens_per_round(self.acceptance_rate, gamma)) for gamma in range(1, longest + 1)]


def plot_block_efficiency(
    report: Report, replayed: dict[tuple[str, str], list[tuple[int, float]]] | None = None
) -> Plot | None:
    """`replayed`: by drafter and rule, the block efficiency of each gamma. None where no arm has a figure."""
    series = _series(report.arms, replayed or {})
    if not series:
        return None
    rows: list[tuple[str, int | str, str, float | None, float | None, float | None]] = []
    for s in series:
        rows += [(s.drafter, gamma, "measured", e.value, e.low, e.high) for gamma, e in s.measured]
        rows += [(s.drafter, gamma, "measured", e.value, e.low, e.high) for gamma, e in s.auto]
        rows += [(s.drafter, gamma, "replayed", value, None, None) for gamma, value in s.replayed]
        rows += [(s.drafter, gamma, "independent", value, None, None) for gamma, value in s.expected()]
    title = "Block efficiency by gamma"
    return Plot("block-efficiency", title, caption(series), _COLUMNS, rows, draw_block_efficiency(series))


def _series(
    arms: Sequence[ArmReport], replayed: dict[tuple[str, str], list[tuple[int, float]]]
) -> list[EfficiencySeries]:
    whole = [a for a in arms if a.category == "all" and a.gamma and a.block_efficiency.value is not None]
    rules = {arm.rule for arm in whole}
    found = []
    for drafter, rule in dict.fromkeys((arm.drafter, arm.rule) for arm in whole):
        mine = sorted((a for a in whole if (a.drafter, a.rule) == (drafter, rule)), key=lambda arm: arm.gamma)
        fixed = [arm for arm in mine if arm.draft_length == "fixed"]
        rate = _pooled_rate(fixed)
        if rate is None and len(fixed) == len(mine):
            continue
        found.append(
            EfficiencySeries(
                short_drafter(drafter) + (f", {rule}" if len(rules) > 1 else ""),
                [(arm.gamma, arm.block_efficiency) for arm in fixed],
                rate,
                replayed.get((drafter, rule), []),
                [(gamma_of(arm), arm.block_efficiency) for arm in mine if arm.draft_length == "auto"],
            )
        )
    return found


def _pooled_rate(arms: Sequence[ArmReport]) -> float | None:
    """Accepted over judged tokens of all of them; a mean of their rates would count short drafts as much as long."""
    places = [place for arm in arms for place in arm.positions]
    judged = sum(place.num_judged for place in places)
    return sum((place.conditional.value or 0.0) * place.num_judged for place in places) / judged if judged else None


def caption(series: Sequence[EfficiencySeries]) -> str:
    """How far the formula is from what was measured, for the largest gamma."""
    fixed = [s for s in series if s.measured]
    if not fixed:
        name, gamma, value = max(
            ((s.drafter, g, e.value or 0.0) for s in series for g, e in s.auto), key=lambda x: x[2]
        )
        return f"{name} brings {value:.2f} tokens for each target pass with gamma {gamma}."
    first = max(fixed, key=lambda s: s.measured[-1][1].value or 0.0)
    largest, estimate = first.measured[-1]
    rate = first.acceptance_rate or 0.0
    return (
        f"{first.drafter} brings {estimate.value:.2f} tokens for each target pass at gamma {largest}; if tokens were "
        f"accepted independently, with the rate of {rate:.2f}, it would be {tokens_per_round(rate, largest):.2f}."
    )


@styled
def draw_block_efficiency(series: Sequence[EfficiencySeries]) -> Figure:
    """Marks are measured, a full line is replayed, a dotted line is the formula, a broken level line is auto."""
    figure, axes = new_figure(2.9 + 0.1 * len(series))
    for index, s in enumerate(series):
        how = look(index)
        if expected := s.expected():
            axes.plot(*zip(*expected, strict=True), color=how.color, linestyle=_INDEPENDENT, linewidth=1.4)
        if s.replayed:
            axes.plot(*zip(*s.replayed, strict=True), color=how.color, linestyle="-")
        for gamma, e in s.measured:
            error = whiskers(e.value or 0.0, e.low, e.high)
            axes.errorbar(gamma, e.value or 0.0, yerr=error, fmt=how.mark, color=how.color, capsize=2.5)
        for _, e in s.auto:
            axes.axhline(e.value or 0.0, color=how.color, linestyle=_AUTO, linewidth=1.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylim(bottom=1)
    axes.set_xlabel("gamma: most tokens drafted in a round")
    axes.set_ylabel("tokens per target pass")
    axes.grid()
    legend_below(figure, axes, handles=_legend(series))
    return figure


def _legend(series: Sequence[EfficiencySeries]) -> list[Line2D]:
    """A mark for each drafter, and a line for each kind of number that is there."""
    marks = [
        Line2D([], [], color=look(i).color, marker=look(i).mark, ls="", label=legend_label(s.drafter))
        for i, s in enumerate(series)
    ]
    kinds: tuple[tuple[Any, str, bool], ...] = (
        ("-", "replayed", any(s.replayed for s in series)),
        (_INDEPENDENT, "if tokens were independent", any(s.measured for s in series)),
        (_AUTO, "gamma auto", any(s.auto for s in series)),
    )
    return marks + [Line2D([], [], color=MUTED, linestyle=line, label=label) for line, label, there in kinds if there]
