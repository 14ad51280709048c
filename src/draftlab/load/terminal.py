"""A measurement under load as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draftlab.load.measure import ArmUnderLoad, Crossing, Level, LoadReport
from draftlab.report.printable import printable_line
from draftlab.stats import Estimate


def print_load(report: LoadReport, heading: str, console: Console | None = None) -> None:
    """The levels, the crossing, and what vLLM is given."""
    console = console or Console(highlight=False)
    console.print(Text(printable_line(heading)))
    table = Table(box=None, header_style="dim", pad_edge=False)
    columns = ("users", "tok/s\nplain", "tok/s\ndrafted", "ratio\n[95 % interval]", "TPOT p50/p90/p99, ms\nplain",
               "\ndrafted", "TTFT p50/p90/p99, ms\nplain", "\ndrafted", "failed")  # fmt: skip
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for level in report.levels:
        table.add_row(*_row(level))
    console.print(table)
    for line in load_lines(report):
        console.print(Text(printable_line(line)))


def load_lines(report: LoadReport) -> Iterator[str]:
    """What the table comes to."""
    yield _crossing(report.crossing, report.levels)
    if all(level.speculative.draft_utilization is None for level in report.levels):
        yield "no reply tells of a drafted token: whether anything was speculated is not known"
    if report.per_batch_size:
        bands = json.dumps([list(band) for band in report.per_batch_size], separators=(",", ":"))
        yield f'for --speculative-config of vLLM: "num_speculative_tokens_per_batch_size":{bands}'
    yield "throughput is users x tokens / seconds of their requests; users never pause"


def _crossing(found: Crossing | None, levels: Sequence[Level]) -> str:
    if found is None:
        return "no crossing can be told: a level has no figures, or there is only one"
    if not found.is_within:
        pays = (levels[0].ratio.value or 0) >= 1
        where = f"{levels[0].users} to {levels[-1].users} users"
        return (
            f"speculation pays at every level, {where}" if pays else f"speculation does not pay with {levels[0].users}"
        )
    return f"speculation pays up to about {_figure(found.users, '.1f')} users"


def _figure(found: Estimate, form: str, unit: str = "") -> str:
    if found.value is None:
        return "–"
    interval = "" if found.low is None else f" [{found.low:{form}}, {found.high:{form}}]"
    return f"{found.value:{form}}{unit}{interval}"


def _row(level: Level) -> Iterator[str]:
    arms = (level.plain, level.speculative)
    yield str(level.users)
    for arm in arms:
        yield "–" if arm.tokens_per_s is None else f"{arm.tokens_per_s:.1f}"
    yield _figure(level.ratio, ".2f", "x")
    for values in (*(arm.tpot_s for arm in arms), *(arm.ttft_s for arm in arms)):
        yield "/".join(f"{1e3 * value:.0f}" for value in values.values()) or "–"
    yield _failed(arms)


def _failed(arms: Sequence[ArmUnderLoad]) -> str:
    failed, asked = (sum(getattr(arm, name) for arm in arms) for name in ("num_failed", "num_requests"))
    return f"{failed}/{asked}" if failed else "0"
