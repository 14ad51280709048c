"""A diagnosis as a page for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from draftlab.doctor.findings import Check, Completed, Diagnosis, Elsewhere, Forecast, Padded, Timing
from draftlab.report.printable import printable
from draftlab.report.terminal import open_console

_STYLE = {"ok": "green", "note": "yellow", "problem": "bold red"}
_STYLE |= {"works": "green", "limited": "yellow", "refuses": "red", "not known": "dim"}


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print what was found, the verdict last. All text of models and files is made harmless."""
    console = open_console()
    console.print(Text(printable(f"doctor: target {diagnosis.target}, drafter {diagnosis.drafter}")))
    console.print()
    console.print(_checks(diagnosis.checks))
    if diagnosis.elsewhere:
        console.print()
        console.print(Text("other engines, from their sources at these versions; nothing of it was run", style="dim"))
        console.print(_elsewhere(diagnosis.elsewhere))
    if diagnosis.padded is not None:
        console.print()
        console.print(Text(printable(_padded(diagnosis.padded))))
    console.print()
    if diagnosis.timing is not None and diagnosis.forecast is not None:
        console.print(Text(_times(diagnosis.timing)))
        console.print()
        console.print(_forecast(diagnosis.forecast))
        if diagnosis.timing.draft_per == "draft":
            console.print(Text("rounds that find a whole draft; others cost the look-up", style="dim"))
        console.print()
    elif not diagnosis.problems:
        console.print(Text(printable(f"no passes were timed: {diagnosis.not_timed}"), style="dim"))
    style = "bold red" if diagnosis.problems else "bold"
    console.print(Text(printable(f"verdict: {diagnosis.verdict}"), style=style))


def _three_columns() -> Table:
    """How it is, of what, and all there is to say."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def _checks(checks: tuple[Check, ...]) -> Table:
    table = _three_columns()
    for check in checks:
        text = Text(printable(check.found))
        if check.remedy:
            text.append(printable(f"\n> {check.remedy}"), style="dim")
        table.add_row(Text(check.status, style=_STYLE[check.status]), check.name, text)
    return table


def _elsewhere(lines: tuple[Elsewhere, ...]) -> Table:
    table = _three_columns()
    for line in lines:
        text = Text(line.what)
        text.append(f" [{line.source}]", style="dim")
        table.add_row(Text(line.outcome, style=_STYLE[line.outcome]), f"{line.engine} {line.version}", text)
    return table


def print_padded(padded: Padded) -> None:
    """Print what was written, where that was all that was asked for."""
    open_console().print(Text(printable(_padded(padded))))


def print_completed(completed: Completed) -> None:
    """Print what was written, where that was all that was asked for."""
    text = (
        f"written: {completed.folder}, with an lm_head of {completed.rows} rows of {completed.width} in "
        f"{completed.dtype}; loaded again, all {completed.num_tensors} tensors of its network are those of the "
        "original, bit for bit"
    )
    open_console().print(Text(printable(text)))


def _padded(padded: Padded) -> str:
    change = "cut" if padded.width < padded.width_before else "padded"
    return (
        f"written: {padded.folder}, {change} from {padded.width_before} to {padded.width} rows; loaded again, its "
        f"logits differ by at most {padded.max_difference:.2g} over {padded.num_positions} positions, the likeliest "
        f"token is the same at {padded.equal}"
    )


def _times(timing: Timing) -> str:
    first = timing.target_s[0]
    rows = ", ".join(f"{n}: {_ms(t)}" for n, t in enumerate(timing.target_s, 1))
    per = "a token" if timing.draft_per == "token" else "a draft"
    return (
        f"a pass of the target over so many rows, in ms: {rows}\n"
        f"the drafter: {_ms(timing.draft_s)} ms {per} ({timing.draft_s / first:.2f} of a target pass)\n"
        f"medians of {timing.num_passes} passes in turns after {timing.context} tokens; the middle half of the passes "
        f"over one row spreads over {timing.spread:.0%}"
    )


def _ms(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _forecast(forecast: Forecast) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("acceptance rate", justify="right")
    for p in forecast.predictions:
        table.add_column(f"{p.acceptance_rate:.2f}", justify="right", no_wrap=True)
    table.add_row("best gamma", *(str(p.gamma) for p in forecast.predictions))
    table.add_row("speed-up", *(f"{p.speedup:.2f}x" for p in forecast.predictions))
    return table
