"""A sweep's figures as tables: a map of pairs and draft lengths, and the best for each suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from draftlab.grid.maps import HeatMap, heat_maps
from draftlab.grid.measure import ALL, Best, GridReport, Speed
from draftlab.report.figure import figure
from draftlab.report.names import one_line, short_drafter
from draftlab.report.printable import printable_line

# Backgrounds from slower than plain decoding to much faster, and the letters on them.
_SHADES = (
    (1.0, "grey30", "white"),
    (1.25, "grey85", "black"),
    (1.6, "sky_blue2", "black"),
    (2.2, "deep_sky_blue3", "white"),
)
_MOST = ("dodger_blue3", "white")


def print_grid(report: GridReport, console: Console | None = None) -> None:
    """All tables, and what is missing."""
    console = console or Console(highlight=False)
    for line in heading(report):
        console.print(Text(printable_line(line)))
    for each in heat_maps(report):
        console.print()
        console.print(Text(printable_line(each.title)))
        console.print(_map(each))
    if report.best:
        console.print()
        console.print(_best(report))
    for line in notes(report):
        console.print(Text(printable_line(line)))


def heading(report: GridReport) -> Iterator[str]:
    """How far it is, and on what it ran."""
    yield f"{report.num_done} of {report.num_cells} cells"
    for number, machine in enumerate(report.machines, 1):
        yield f"machine {number}: {machine}" if len(report.machines) > 1 else machine


def notes(report: GridReport) -> Iterator[str]:
    """What has to be known besides."""
    if len(report.machines) > 1:
        yield "acceptance is pooled over machines; speed-ups are of each machine by itself"
    for drafter, forms in sorted({(a.drafter, ", ".join(a.forms)) for a in report.acceptance if len(a.forms) > 1}):
        yield (
            f"{short_drafter(drafter)} was kept as {forms}, as a measurement chose in each cell: its acceptance is not "
            "of one drafter. Name the form, as in compress=int8"
        )
    lossy = sorted({speed.rule for speed in report.speeds if not speed.lossless})
    if lossy:
        yield f"lossy, and never named as best: {', '.join(lossy)}"
    for suite_speed in report.speeds:
        if suite_speed.suite != ALL:
            yield from _faults(suite_speed)
    for cell in report.missing:
        if cell.error:
            yield f"failed: {cell.title}: {cell.error}"
    waiting = sum(cell.error is None for cell in report.missing)
    if waiting:
        yield f"cells that have not run yet: {waiting}"


def _faults(speed: Speed) -> Iterator[str]:
    where = f"{speed.target}, {short_drafter(speed.drafter)}, gamma {speed.gamma}, {speed.rule}, {speed.suite}"
    if speed.num_real:
        yield f"FAULT: {speed.num_real} greedy texts differ for another reason than rounding: {where}"
    if speed.num_failed:
        yield f"failed decodes, in no figure: {speed.num_failed} of {where}, plain decoding included"


def _map(found: HeatMap) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("drafter", no_wrap=True, overflow="ellipsis", max_width=34)
    for gamma in found.gammas:
        table.add_column(gamma, justify="right", no_wrap=True)
    for drafter, row in zip(found.drafters, found.rows, strict=True):
        name = Text(short_drafter(drafter))
        table.add_row(name, *(_shaded(value, found.is_speed) for value in row))
    return table


def _shaded(value: float | None, is_speed: bool) -> Text:
    if value is None:
        return Text("–", style="dim")
    if not is_speed:
        return Text(f" {value:.2f} ")
    ground, letters = next(((ground, letters) for limit, ground, letters in _SHADES if value < limit), _MOST)
    return Text(f" {value:.2f}x ", style=f"{letters} on {ground}")


def _best(report: GridReport) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, title=None)
    several = {
        name: len({getattr(best, name) for best in report.best}) > 1 for name in ("target", "temperature", "machine")
    }
    table.add_column("best for", no_wrap=True, overflow="ellipsis", max_width=40)
    table.add_column("drafter", no_wrap=True, overflow="ellipsis", max_width=34)
    table.add_column("gamma", justify="right")
    table.add_column("speed-up [95 %]", justify="right", no_wrap=True)
    table.add_column("not told apart", justify="right")
    for best in report.best:
        table.add_row(*_best_row(best, several))
    return table


def _best_row(best: Best, several: dict[str, bool]) -> Sequence[Text | str]:
    parts = [one_line(best.suite)]
    parts += [one_line(best.target)] if several["target"] else []
    parts += [f"temperature {best.temperature:g}"] if several["temperature"] else []
    parts += [f"machine {best.machine + 1}"] if several["machine"] else []
    gained = figure(best.best.walltime_speedup, ".2f", unit="x") + (", plain is faster" if best.loses else "")
    told = [] if best.pays or best.loses else ["plain decoding"]
    told += [f"{best.rivals} other{'s' if best.rivals > 1 else ''}"] if best.rivals else []
    rule = "" if best.best.rule == "rejection" else f" ({one_line(best.best.rule)})"
    return [
        Text(", ".join(parts)),
        Text(short_drafter(best.best.drafter) + rule),
        best.best.gamma,
        gained,
        ", ".join(told) or "–",
    ]
