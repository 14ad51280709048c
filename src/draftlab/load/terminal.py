"""A measurement under load as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draftlab.load.lengths import LengthsReport
from draftlab.load.measure import ArmUnderLoad, Band, Crossing, Level, LoadReport
from draftlab.load.records import LoadSettings
from draftlab.report.figure import figure
from draftlab.report.narrow import Column, Row, figures
from draftlab.report.printable import printable_line

_SPEED = (
    Column("tok/s\nplain", 7, 1),
    Column("tok/s\ndrafted", 7, 1),
    Column("ratio\n[95 % interval]", 18, 0),
    Column("failed\n", 7, 0),
)
_WAITS = (
    Column("TPOT\nplain", 11, 1),
    Column("TPOT\ndrafted", 11, 0),
    Column("TTFT\nplain", 14, 2),
    Column("TTFT\ndrafted", 14, 2),
)


def print_lengths(report: LengthsReport, settings: LoadSettings, console: Console | None = None) -> None:
    """Each measurement, and where there are several draft lengths the best at each number of users."""
    console = console or Console(highlight=False)
    asked = settings.experiment
    what = f"{asked.get('engine', '')}, suites {', '.join(asked.get('suites') or ['code', 'prose'])}"
    several = len(report.lengths) > 1
    for gamma, each in report.lengths.items():
        length = f", draft length {gamma}" if gamma else ""
        print_load(each, f"{what}{length}, repetitions: {settings.repetitions}", console, with_bands=not several)
        if several:
            console.print()
    if several:
        console.print(_best(report))
        console.print(Text(_bands(report.per_batch_size)))


def _best(report: LengthsReport) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("users", "best draft\nlength", "ratio to plain\n[95 % interval]", "not told\napart"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in report.best:
        length = str(each.gamma) if each.gamma else "none"
        rivals = ", ".join(map(str, each.rivals)) or "–"
        table.add_row(str(each.users), length, figure(each.ratio, ".2f", unit="x"), rivals)
    return table


def print_load(report: LoadReport, heading: str, console: Console | None = None, *, with_bands: bool = True) -> None:
    """The levels, the crossing, and what vLLM is given."""
    console = console or Console(highlight=False)
    console.print(Text(printable_line(heading)))
    console.print(figures("users", _SPEED, [_line(level, _speed(level)) for level in report.levels], console.width))
    console.print(Text("p50/p90/p99 in ms: TPOT for each further token, TTFT to the first", style="dim"))
    console.print(figures("users", _WAITS, [_line(level, _waits(level)) for level in report.levels], console.width))
    for line in load_lines(report, with_bands=with_bands):
        console.print(Text(printable_line(line)))


def load_lines(report: LoadReport, *, with_bands: bool = True) -> Iterator[str]:
    """What the table comes to."""
    yield from _crossing(report.crossing, report.levels)
    if all(level.speculative.draft_utilization is None for level in report.levels):
        yield "no reply tells of a drafted token: whether anything was speculated is not known"
    if report.per_batch_size and with_bands:
        yield _bands(report.per_batch_size)
    yield "throughput is users x tokens / seconds of their requests; users never pause"


def _bands(found: Sequence[Band]) -> str:
    written = json.dumps([list(band) for band in found], separators=(",", ":"))
    return f'for --speculative-config of vLLM: "num_speculative_tokens_per_batch_size":{written}'


def _crossing(found: Crossing | None, levels: Sequence[Level]) -> Iterator[str]:
    if found is None:
        yield "no crossing can be told: a level has no figures, or there is only one"
        return
    if found.is_within:
        yield f"speculation pays up to about {figure(found.users, '.1f')} users"
    elif (levels[0].ratio.value or 0) >= 1:
        yield f"speculation pays at every level, {levels[0].users} to {levels[-1].users} users: no crossing up to there"
    else:
        yield f"speculation does not pay with {levels[0].users}"
    unsure = [level.users for level in levels if level.ratio.low is not None and level.ratio.low <= 1]
    if unsure and (levels[0].ratio.low or 0) > 1:
        yield f"for certain below {unsure[0]}: from there on the interval of the ratio reaches down to 1"


def _line(level: Level, cells: Sequence[str]) -> Row:
    return Row(Text(str(level.users)), cells)


def _speed(level: Level) -> list[str]:
    arms = (level.plain, level.speculative)
    speeds = ["–" if arm.tokens_per_s is None else f"{arm.tokens_per_s:.1f}" for arm in arms]
    return [*speeds, figure(level.ratio, ".2f", unit="x"), _failed(arms)]


def _waits(level: Level) -> list[str]:
    arms = (level.plain, level.speculative)
    waits = (*(arm.tpot_s for arm in arms), *(arm.ttft_s for arm in arms))
    return ["/".join(f"{1e3 * value:.0f}" for value in each.values()) or "–" for each in waits]


def _failed(arms: Sequence[ArmUnderLoad]) -> str:
    failed, asked = (sum(getattr(arm, name) for arm in arms) for name in ("num_failed", "num_requests"))
    return f"{failed}/{asked}" if failed else "0"
