"""What was accepted, and why: the tables of `report --acceptance`, and a sentence below the figures of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draftlab.report.acceptance import AcceptanceGroup
from draftlab.report.figure import figure
from draftlab.report.measure import ArmReport, Report
from draftlab.report.names import key_of, title_of
from draftlab.report.printable import printable
from draftlab.report.terminal import open_console
from draftlab.report.why import WhyReport
from draftlab.stats import Estimate

_MOST_COLUMNS = 3  # categories side by side; of more, `all` alone fits into 80 columns
_WIDTHS = (12, 5, 14)  # of a name, of a share, and of a rate with its interval: three categories fit into 80 columns
_HEADINGS = {"token_class": "token class", "entropy": "entropy", "place": "new tokens"}
_NONE = ("–", "–")


def print_acceptance(report: Report) -> None:
    """Print every acceptance figure of a run."""
    console = open_console()
    for _, group in groupby(report.arms, key=key_of):
        arms = list(group)
        shown = arms if len(arms) <= _MOST_COLUMNS else arms[-1:]
        console.print()
        title = f"acceptance: {title_of(arms[0])}"
        console.print(Text(printable(title), style="bold"))
        per_round = (f"{arm.category} {figure(arm.accepted_per_round, '.2f')}" for arm in shown)
        console.print(Text(printable(f"accepted per round: {', '.join(per_round)}")))
        console.print(_positions(shown))
        _print_groups(console, shown)
        if subcategories := [group for group in arms[-1].acceptance_by if group.by == "subcategory"]:
            console.print(_subcategories(subcategories))
        for line in map(_components, _of(report.why, arms[0])):
            console.print(Text(printable(line)))
    if not report.why and len({arm.category for arm in report.arms}) > 1:
        console.print("bench --detail tokens records token classes and entropies, which say why categories differ")


def _print_groups(console: Console, arms: Sequence[ArmReport]) -> None:
    for by, heading in _HEADINGS.items():
        found = [{group.name: group for group in arm.acceptance_by if group.by == by} for arm in arms]
        if found[-1]:
            console.print(_groups(heading, arms, found))


def _new_table(heading: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"\n{heading}", no_wrap=True, min_width=_WIDTHS[0])
    return table


def _side_by_side(heading: str, columns: tuple[str, str], arms: Sequence[ArmReport]) -> Table:
    """Two columns for each category, whose name stands above the second."""
    table = _new_table(heading)
    for arm in arms:
        table.add_column(f"\n{columns[0]}", justify="right", no_wrap=True, min_width=_WIDTHS[1])
        header = Text(printable(f"{arm.category}\n{columns[1]}"))
        table.add_column(header, justify="right", no_wrap=True, min_width=_WIDTHS[2], max_width=_WIDTHS[2])
    return table


def _positions(arms: Sequence[ArmReport]) -> Table:
    table = _side_by_side("position", ("rate", "if all before"), arms)
    for i in range(max(len(arm.positions) for arm in arms)):
        row = [arm.positions[i] if i < len(arm.positions) else None for arm in arms]
        cells = [_cells(_rate(each.acceptance, interval=False), each.conditional) if each else _NONE for each in row]
        table.add_row(str(i + 1), *chain.from_iterable(cells))
    return table


def _groups(heading: str, arms: Sequence[ArmReport], found: Sequence[dict[str, AcceptanceGroup]]) -> Table:
    """A row for each group, with its share of the judged tokens and its acceptance in each category."""
    table = _side_by_side(heading, ("share", "accept rate"), arms)
    for name in found[-1]:  # `all` stands last, and has every group
        row = [groups.get(name) for groups in found]
        cells = [_cells(f"{100 * group.share:.0f} %", group.acceptance_rate) if group else _NONE for group in row]
        table.add_row(name, *chain.from_iterable(cells))
    return table


def _cells(first: str, rate: Estimate) -> tuple[str, str]:
    return first, _rate(rate)


def _rate(rate: Estimate, *, interval: bool = True) -> str:
    """A rate from 0 to 1 in few characters: .55 [.46, .71]."""
    return figure(rate, ".2f", interval=interval).replace("0.", ".").replace("1.00", "1.0")


def _subcategories(groups: Sequence[AcceptanceGroup]) -> Table:
    table = _new_table("sub-category")
    for header in ("share", "accept rate", "draft util.", "block eff."):
        table.add_column(f"\n{header}", justify="right", no_wrap=True, min_width=_WIDTHS[1])
    for group in groups:
        table.add_row(
            Text(printable(group.name)),
            f"{100 * group.share:.0f} %",
            _rate(group.acceptance_rate),
            "–" if group.draft_utilization is None else _rate(group.draft_utilization),
            "–" if group.block_efficiency is None else figure(group.block_efficiency, ".2f"),
        )
    return table


def _components(why: WhyReport) -> str:
    by = {"entropy": "entropy", "token_class": "token class"}[why.by]
    return (
        f"{why.first} less {why.second}, by {by}: {figure(why.difference, '+z.2f')} = "
        f"{figure(why.mix, '+z.2f')} other shares and {figure(why.within, '+z.2f')} other rates"
    )


def _of(found: Sequence[WhyReport], arm: ArmReport) -> list[WhyReport]:
    return [why for why in found if key_of(why) == key_of(arm)]
