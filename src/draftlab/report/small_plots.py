"""A run's figures as small plots of characters, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from draftlab.metrics import accepted_lengths
from draftlab.records import RunManifest, Trace
from draftlab.report.figure import figure
from draftlab.report.measure import ArmReport, Report
from draftlab.report.names import key_of, title_of
from draftlab.report.origins import LABELS
from draftlab.report.printable import printable_line
from draftlab.stats import Estimate

MIN_WIDTH = 60  # columns; below it a plot shows less than its numbers, and has to be asked for
_LEAST_WIDTH = 36  # columns; below it there is no room for a bar beside its numbers
_MOST_WIDTH = 100
_MOST_BARS = 10  # positions; what lies deeper is one line
_NAME_WIDTH = 14
_NUMBER_WIDTH = 8


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """What plots are drawn with."""

    eighths: str
    """From nothing to a whole cell, in equal steps."""
    line: str
    ends: str
    point: str
    one: str
    floor: str
    more: str


_BLOCKS = _Glyphs(" ▏▎▍▌▋▊▉█", "─", "├┤", "●", "│", "░", "…")
_ASCII = _Glyphs(" #", "-", "[]", "o", "|", ":", "..")


def print_plots(console: Console, report: Report, manifest: RunManifest, traces: Sequence[Trace]) -> None:
    """Print what drafting brought at each position, how many tokens rounds accepted, and the speed-ups."""
    if console.width < _LEAST_WIDTH:
        return
    glyphs = _BLOCKS if console.encoding.startswith("utf") else _ASCII
    width = min(console.width, _MOST_WIDTH)
    ids = {key_of(arm): arm.id for arm in manifest.arms if arm.role == "drafted"}
    for arm in report.arms:
        if arm.category == "all" and arm.acceptance_at:
            theirs = (trace for trace in traces if trace.arm == ids[key_of(arm)])
            console.print(Text(_name(arm), style="bold"))
            console.print(_bars_of(arm, accepted_lengths(theirs), glyphs, width))
            console.print()
    _print_speedups(console, report, glyphs, width)


def bar(share: float, width: int, eighths: str) -> str:
    """A bar of `share` of `width` cells; `eighths` are its steps within a cell, from nothing to whole."""
    steps = len(eighths) - 1
    whole, part = divmod(round(max(0.0, min(1.0, share)) * width * steps), steps)
    return eighths[-1] * whole + (eighths[part] if part else "")


def _name(arm: ArmReport) -> str:
    return printable_line(title_of(arm))


def _bars_of(arm: ArmReport, lengths: Sequence[int], glyphs: _Glyphs, width: int) -> RenderableType:
    """Both distributions beside one another."""
    room = width // 2 - _NUMBER_WIDTH - 6
    total = sum(lengths) or 1
    beside = Table.grid(padding=(0, 4, 0, 0))
    positions = [(str(i + 1), value, f"{value:.2f}") for i, value in enumerate(arm.acceptance_at)]
    counts = [(str(n), num / total, f"{100 * num / total:.0f} %") for n, num in enumerate(lengths)]
    beside.add_row(Text("accepted at position", style="dim"), Text("accepted in a round that drafted", style="dim"))
    beside.add_row(_bars(positions, room, glyphs), _bars(counts, room, glyphs))
    return beside


def _bars(rows: Sequence[tuple[str, float, str]], width: int, glyphs: _Glyphs) -> Table:
    """(label, share, number) as a bar each; the scale is the same in all."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(justify="right", width=2, no_wrap=True)
    table.add_column(width=width, no_wrap=True)
    table.add_column(justify="right", min_width=4, no_wrap=True)
    for label, share, number in rows[:_MOST_BARS]:
        table.add_row(label, Text(bar(share, width, glyphs.eighths), style=LABELS["accepted"].color or ""), number)
    if len(rows) > _MOST_BARS:
        table.add_row(glyphs.more, f"{len(rows) - _MOST_BARS} more", "")
    return table


def _print_speedups(console: Console, report: Report, glyphs: _Glyphs, width: int) -> None:
    known = [arm for arm in report.arms if arm.walltime_speedup.value is not None]
    if not known:
        return
    floor = report.noise_floor
    scale = _Scale.over([arm.walltime_speedup for arm in known], floor, width - _NAME_WIDTH - _NUMBER_WIDTH - 2)
    shaded = f", {glyphs.floor} noise floor" if floor and floor.low is not None else ""
    console.print(Text(f"speed-up with its 95 % interval; {glyphs.one} no gain{shaded}", style="dim"))
    for name, arms in groupby(known, key=_name):
        console.print(Text(name))
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_column(width=_NAME_WIDTH, no_wrap=True, overflow="ellipsis")
        table.add_column(width=scale.width, no_wrap=True)
        table.add_column(justify="right", min_width=_NUMBER_WIDTH, no_wrap=True)
        for arm in arms:
            number = figure(arm.walltime_speedup, ".2f", unit="x", interval=False)
            label = printable_line(f"{arm.category} ({arm.num_prompts})")
            table.add_row(Text(label), _strip(arm, floor, scale, glyphs), number)
        console.print(table)
    left, right = f"{scale.low:.2f}x", f"{scale.high:.2f}x"
    gap = " " * (scale.width - len(left) - len(right))
    console.print(Text(" " * (_NAME_WIDTH + 1) + left + gap + right, style="dim"))


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a speed-up to a cell."""

    low: float
    high: float
    width: int

    @classmethod
    def over(cls, found: Sequence[Estimate], floor: Estimate | None, width: int) -> _Scale:
        """A scale on which all of them and 1 have a place."""
        ends = [
            end for e in [*found, *([floor] if floor else [])] for end in (e.value, e.low, e.high) if end is not None
        ]
        low, high = min([1.0, *ends]), max([1.0, *ends])
        margin = 0.05 * (high - low) or 0.05
        return cls(max(0.0, low - margin), high + margin, width)

    def cell(self, value: float) -> int:
        return round((value - self.low) / (self.high - self.low) * (self.width - 1))


def _strip(arm: ArmReport, floor: Estimate | None, scale: _Scale, glyphs: _Glyphs) -> Text:
    """One interval on the scale, over the noise floor and the place where nothing is gained."""
    cells, style = [" "] * scale.width, [""] * scale.width
    found = arm.walltime_speedup

    def put(first: float, last: float, glyph: str, color: str) -> None:
        for i in range(scale.cell(first), scale.cell(last) + 1):
            cells[i], style[i] = glyph, color

    if floor and floor.low is not None and floor.high is not None:
        put(floor.low, floor.high, glyphs.floor, "dim")
    put(1.0, 1.0, glyphs.one, "dim")
    assert found.value is not None, "strips are drawn of what is known"
    color = "" if arm.within_noise is not False else "green" if found.value > 1 else "red"
    if found.low is not None and found.high is not None:
        put(found.low, found.high, glyphs.line, color)
        put(found.low, found.low, glyphs.ends[0], color)
        put(found.high, found.high, glyphs.ends[1], color)
    put(found.value, found.value, glyphs.point, f"bold {color}")
    return Text.assemble(*zip(cells, style, strict=True))
