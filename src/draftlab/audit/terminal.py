"""An audit as a table for the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from draftlab.audit.findings import WASTEFUL, Cost, Findings, Greedy, Test
from draftlab.report.printable import printable
from draftlab.report.terminal import how_sampled, open_console

_STYLE = {"lossless": "bold green", "not lossless": "bold red", "undecided": "bold yellow", "failed": "bold red"}


def print_findings(findings: Findings) -> None:
    """Print what was found, the verdict last."""
    console = open_console()
    console.print(Text(printable(_heading(findings))))
    if findings.greedy is not None:
        console.print(Text(printable(_greedy(findings.greedy))))
    if findings.tests:
        console.print()
        console.print(_tests(findings))
        if findings.controls:
            console.print()
            console.print(_controls(findings))
    if findings.greedy is not None and findings.greedy.compared:
        console.print()
        console.print(Text(printable(_cost(findings, findings.greedy))))
    console.print()
    for line in findings.accusations:
        console.print(Text(printable(line), style="red"))
    console.print(Text(printable(_verdict(findings)), style=_STYLE[findings.verdict]))


def _heading(findings: Findings) -> str:
    return (
        f"audit of {findings.of}: target {findings.target}, drafter {findings.drafter}, gamma {findings.gamma}, "
        f"rule {findings.rule}, {findings.dtype}, {how_sampled(findings.sampling)}"
    )


def _greedy(greedy: Greedy) -> str:
    if greedy.refused:
        return f"greedy: not offered ({greedy.refused})"
    kinds = [parting.kind for parting in greedy.partings]
    rest = "".join(f", {kinds.count(kind)} {kind}" for kind in ("tie", "rounding", "real") if kind in kinds)
    return f"greedy: {greedy.identical} of {greedy.compared} texts are the target's own{rest}"


def _tests(findings: Findings) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for header in ("prompt", "tokens"):
        table.add_column(header, no_wrap=True)
    for header in ("samples", "cells", "chi-square", "p, corrected", "total variation [95 %]"):
        table.add_column(header, justify="right", no_wrap=True)
    for test in findings.tests:
        style = "red" if test.p_value < findings.level else ""
        table.add_row(*_row(test), style=style)
    return table


def _row(test: Test) -> list[Text | str]:
    return [
        Text(printable(test.prompt_id)),
        Text(printable(test.what)),
        str(test.num_samples),
        str(test.num_cells),
        "infinite" if test.statistic is None else f"{test.statistic:.1f}",
        f"{test.p_value:.2g}",
        f"{test.total_variation:.3f} [{test.low:.3f}, {test.high:.3f}]",
    ]


def _controls(findings: Findings) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("planted bug, same tests, same size", no_wrap=True)
    table.add_column("found", no_wrap=True)
    table.add_column("p, corrected", justify="right", no_wrap=True)
    table.add_column("total variation", justify="right", no_wrap=True)
    for control in findings.controls:
        found = Text("yes") if control.rejected else Text("NO", style="red")
        table.add_row(Text(printable(control.title)), found, f"{control.p_value:.2g}", f"{control.total_variation:.3f}")
    return table


def _cost(findings: Findings, greedy: Greedy) -> str:
    def written(cost: Cost) -> str:
        if cost.target is None:
            return "not counted"
        drafter = "" if cost.drafter is None else f", drafter {cost.drafter:.2f}"
        return f"target {cost.target:.2f}{drafter}"

    line = f"tokens passed per new token, greedy: {written(greedy.cost)}"
    if findings.of == "draftlab":
        return line
    line += f" (draftlab: {written(greedy.own_cost)})"
    if findings.waste is not None and findings.waste > WASTEFUL:
        line += f"\nwasteful: up to {findings.waste:.2f} times the tokens that draftlab passes for the same texts"
    return line


def _verdict(findings: Findings) -> str:
    if findings.verdict == "not lossless":
        return "verdict: NOT LOSSLESS" + (f", and it failed ({findings.failure})" if findings.failure else "")
    if findings.failure:
        return f"verdict: FAILED ({findings.failure})"
    if not findings.tests:
        undecided = findings.verdict == "undecided"
        return f"verdict: {'UNDECIDED' if undecided else 'lossless when greedy'} (sampling was not audited)"
    size = f"{findings.num_samples} samples of each of {findings.num_prompts} prompts"
    if findings.detects is None:
        return f"verdict: UNDECIDED. No text is likely enough for a test with {size}. A lower --top-k may help."
    if not findings.controls:
        return f"verdict: UNDECIDED. Nothing was found with {size}, and no planted bug was run beside it."
    if findings.verdict == "undecided":
        return (
            f"verdict: UNDECIDED. Nothing was found with {size}, but a planted bug was not found either: with this "
            "drafter and these prompts drafts may hardly ever be rejected. Try another drafter, suite or --samples."
        )
    return (
        f"verdict: lossless. With {size} any deviation of {findings.detects:.3f} in total variation over the cells "
        f"above had been found with probability {findings.power:g} or more; a lossless implementation is accused once "
        f"in {round(1 / findings.level):,} audits."
    )
