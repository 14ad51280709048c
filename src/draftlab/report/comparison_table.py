"""A comparison of runs as tables for the terminal."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.text import Text

from draftlab.records import RunManifest
from draftlab.report.compare import ArmComparison, Comparison, RunSummary
from draftlab.report.figure import figure
from draftlab.report.measure import ArmReport
from draftlab.report.names import gamma_of
from draftlab.report.narrow import Column, Row, figures
from draftlab.report.printable import printable, printable_line
from draftlab.report.terminal import open_console, what_was_decoded
from draftlab.stats import MIN_PROMPTS

_STYLE = {"faster": "green", "slower": "red"}

# Both tables fit into 80 columns.
_SPEED = (
    Column("speed-up\nbefore", 8, rank=3),
    Column("\nnow", 6, rank=3),
    Column("now / before\n[95 % interval]", 18, rank=0),
    Column("tok/s\ndrafted", 7, rank=4),
    Column("tok/s\nplain", 6, rank=5),
    Column("verdict", 18, rank=1),
)
_TEXTS = (
    Column("accept rate\nchange", 20, rank=0),
    Column("block efficiency\nchange", 20, rank=2),
    Column("identical\nbefore", 9, rank=3),
    Column("\nnow", 6, rank=3),
    Column("same as\nbefore", 8, rank=1),
)


def print_comparison(comparison: Comparison, manifest: RunManifest) -> None:
    """Print how every run compares with the reference, whose manifest is given."""
    console = open_console()
    reference = comparison.reference
    console.print(Text(printable(f"reference {reference.run} of {reference.created}: {what_was_decoded(manifest)}")))
    if not reference.complete:
        console.print("the reference is not complete: figures are of what is there", style="yellow")
    for summary in comparison.runs:
        console.print()
        _print_summary(console, summary)
        entries = (entry for entry in comparison.arms if entry.run == summary.run)
        for _, group in groupby(entries, key=lambda entry: (_arm(entry.reference), _arm(entry.arm))):
            rows = list(group)
            console.print()
            console.print(_title(rows[0]))
            console.print(figures("prompts", _SPEED, [_row(row, _speed(row)) for row in rows], console.width))
            console.print(figures("prompts", _TEXTS, [_row(row, _texts(row)) for row in rows], console.width))
    console.print()
    if any(entry.num_prompts < MIN_PROMPTS for entry in comparison.arms):
        console.print(f"no interval and no verdict is given for fewer than {MIN_PROMPTS} prompts")
    console.print(
        "the intervals tell what other prompts would change, not what another hour would: two runs of the same "
        "settings show that"
    )


def _print_summary(console: Console, summary: RunSummary) -> None:
    console.print(Text(printable(f"{summary.run} of {summary.created}"), style="bold"))
    for line in summary.differences:
        console.print(Text(printable(f"compared anyway: {line}"), style="red"))
    for line in summary.notes:
        console.print(Text(printable(f"note: {line}"), style="yellow"))
    if not summary.complete:
        console.print("this run is not complete: figures are of what is there", style="yellow")


def _arm(arm: ArmReport) -> tuple[str, str, str]:
    return arm.drafter, gamma_of(arm), arm.rule


def _title(entry: ArmComparison) -> Text:
    parts = [
        f"{what} {now}" if now == before else f"{what} {now} (before {before})"
        for what, now, before in zip(("drafter", "gamma", "rule"), _arm(entry.arm), _arm(entry.reference), strict=True)
    ]
    title = Text(printable(", ".join(parts)), style="bold")
    lossy = [when for when, arm in (("before", entry.reference), ("now", entry.arm)) if not arm.lossless]
    if lossy:
        title.append(f" ({' and '.join(lossy)} lossy: its texts do not have the target's law)", style="red")
    return title


def _row(entry: ArmComparison, cells: list[Text | str]) -> Row:
    name = Text(printable_line(f"{entry.category} ({entry.num_prompts})"))
    return Row(name, cells, style="bold" if entry.category == "all" else "")


def _speed(entry: ArmComparison) -> list[Text | str]:
    style = _STYLE.get(entry.verdict, "")
    return [
        figure(entry.reference.walltime_speedup, ".2f", unit="x", interval=False),
        figure(entry.arm.walltime_speedup, ".2f", unit="x", interval=False),
        Text(figure(entry.walltime_speedup_ratio, ".2f"), style=style),
        figure(entry.tokens_per_s_ratio, ".2f", unit="x", interval=False),
        figure(entry.baseline_tokens_per_s_ratio, ".2f", unit="x", interval=False),
        Text(entry.verdict, style=style),
    ]


def _texts(entry: ArmComparison) -> list[Text | str]:
    return [
        figure(entry.acceptance_rate_difference, "+.2f"),
        figure(entry.block_efficiency_difference, "+.2f"),
        _share(entry.reference.identical, entry.reference.compared),
        _share(entry.arm.identical, entry.arm.compared),
        _share(entry.same_texts, entry.same_texts_compared),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole}" if whole else "–"
