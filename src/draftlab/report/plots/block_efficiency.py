"""Tokens for each target pass against gamma: measured, replayed, and by a formula for independent tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from draftlab.report.measure import ArmReport, Report
from draftlab.report.names import short_drafter
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.style import MUTED, legend_below, look, new_figure, styled, whiskers
from draftlab.stats import Estimate

_COLUMNS = ("drafter", "gamma", "kind", "block_efficiency", "low", "high")
_BEYOND = 2  # gammas that the formula is drawn further than was measured


@dataclass(frozen=True)
class EfficiencySeries:
    """One drafter."""

    drafter: str
    measured: list[tuple[int, Estimate]]
    """Of each gamma."""
    acceptance_rate: float
    """The mean of the measured arms: accepted over judged."""
    replayed: list[tuple[int, float]] = field(default_factory=list)
    """Of each gamma, where drafts were replayed at every place of the text."""

    def expected(self) -> list[tuple[int, float]]:
        """If each token were accepted by itself with the same chance (Leviathan et al. 2023, equation 1)."""
        longest = max([gamma for gamma, _ in self.measured] + [gamma for gamma, _ in self.replayed]) + _BEYOND
        return [(gamma, independent(self.acceptance_rate, gamma)) for gamma in range(1, longest + 1)]


def independent(rate: float, gamma: int) -> float:
    """(1 - rate^(gamma + 1)) / (1 - rate), as the sum that it is."""
    return sum(rate**i for i in range(gamma + 1))


def plot_block_efficiency(
    report: Report, replayed: dict[tuple[str, str], list[tuple[int, float]]] | None = None
) -> Plot | None:
    """`replayed`: by drafter and rule, the block efficiency of each gamma. None where no arm has a figure."""
    series = _series(report.arms, replayed or {})
    if not series:
        return None
    rows: list[tuple[str, int, str, float | None, float | None, float | None]] = []
    for s in series:
        rows += [(s.drafter, gamma, "measured", e.value, e.low, e.high) for gamma, e in s.measured]
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
        rates = [arm.acceptance_rate.value for arm in mine if arm.acceptance_rate.value is not None]
        if rates:
            name = short_drafter(drafter) + (f", {rule}" if len(rules) > 1 else "")
            measured = [(arm.gamma, arm.block_efficiency) for arm in mine]
            found.append(EfficiencySeries(name, measured, sum(rates) / len(rates), replayed.get((drafter, rule), [])))
    return found


def caption(series: Sequence[EfficiencySeries]) -> str:
    """How far the formula is from what was measured, for the largest gamma."""
    first = max(series, key=lambda s: s.measured[-1][1].value or 0.0)
    gamma, estimate = first.measured[-1]
    formula = independent(first.acceptance_rate, gamma)
    return (
        f"{first.drafter} brings {estimate.value:.2f} tokens for each target pass at gamma {gamma}; if tokens were "
        f"accepted independently, with the rate of {first.acceptance_rate:.2f}, it would be {formula:.2f}."
    )


@styled
def draw_block_efficiency(series: Sequence[EfficiencySeries]) -> Figure:
    """Marks are measured, a full line is replayed, a dotted line is the formula."""
    figure, axes = new_figure(2.9 + 0.1 * len(series))
    for index, s in enumerate(series):
        how = look(index)
        axes.plot(*zip(*s.expected(), strict=True), color=how.color, linestyle=(0, (1, 1.6)), linewidth=1.4)
        if s.replayed:
            axes.plot(*zip(*s.replayed, strict=True), color=how.color, linestyle="-")
        for gamma, e in s.measured:
            error = whiskers(e.value or 0.0, e.low, e.high)
            axes.errorbar(gamma, e.value or 0.0, yerr=error, fmt=how.mark, color=how.color, capsize=2.5)
    handles = [Line2D([], [], color=look(i).color, marker=look(i).mark, ls="", label=s.drafter)
               for i, s in enumerate(series)]  # fmt: skip
    handles += [Line2D([], [], color=MUTED, linestyle="-", label="replayed")] if any(s.replayed for s in series) else []
    handles += [Line2D([], [], color=MUTED, linestyle=(0, (1, 1.6)), label="if tokens were independent")]
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylim(bottom=1)
    axes.set_xlabel("gamma: most tokens drafted in a round")
    axes.set_ylabel("tokens per target pass")
    axes.grid()
    legend_below(figure, axes, handles=handles)
    return figure
