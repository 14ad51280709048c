"""Read what was measured side by side: a table for each suite, and how draftlab stands to each of the others.

    python -m benchmarks.side_by_side.table FOLDER... [--markdown]

Several folders are several runs: nothing is paired across them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.side_by_side.arms import REFERENCE, Arm, parse
from benchmarks.side_by_side.decodes import Folder
from benchmarks.side_by_side.figures import Figures
from draftlab.errors import DraftlabError
from draftlab.report.figure import figure
from draftlab.report.printable import printable_line
from draftlab.stats import MIN_PROMPTS, Estimate

OWN_PLAIN = parse("fast-plain")
Row = tuple[str, ...]


def rows(figures: Figures) -> tuple[Row, list[Row]]:
    """The head, and a row for each arm."""
    peers = [arm for arm in (parse(REFERENCE), OWN_PLAIN) if arm in figures.arms]
    head = (
        "arm",
        "tokens/s",
        *(f"times {arm.title}" for arm in peers),
        *(f"text is that of {arm.title}" for arm in peers),
    )
    body = [
        (
            arm.title,
            f"{figures.tokens_per_s(arm):.1f}",
            *(_ratio(figures.speedup(arm, peer)) for peer in peers),
            *(_same(figures, arm, peer) for peer in peers),
        )
        for arm in figures.arms
    ]
    return head, body


def headlines(figures: Figures) -> Iterator[str]:
    """One line for each comparison that these arms allow; the best settings are named."""
    best = figures.best("fast", fixed=True)
    every = figures.best("fast")
    pairs = [(OWN_PLAIN, parse(REFERENCE))]
    pairs += [(best, figures.best(family)) for family in ("assisted", "vllm", "flashspec")]
    pairs += [(best, figures.best("eager", fixed=True)), (best, OWN_PLAIN), (best, parse(REFERENCE))]
    pairs += [(OWN_PLAIN, parse("eager-plain")), (OWN_PLAIN, parse("vllm-plain"))]
    if every != best:
        pairs += [(every, OWN_PLAIN)]
    for mine, theirs in pairs:
        if mine in figures.arms and theirs in figures.arms and mine and theirs:
            yield f"{mine.title} / {theirs.title}: {_ratio(figures.speedup(mine, theirs))}"


def notes(folder: Folder, figures: Figures, num_all: int) -> Iterator[str]:
    """How it was measured."""
    found = folder.conditions()
    days = sorted({datetime.fromtimestamp(decode.started, UTC).date().isoformat() for decode in figures.decodes})
    yield (
        f"{found.target} with {found.drafter}, {found.dtype}, greedy, {found.max_new_tokens} tokens after each of "
        f"{len(figures.prompts)} prompts; {found.machine}; {', '.join(days)}"
    )
    interval = ", with its 95 % interval" if len(figures.prompts) >= MIN_PROMPTS else ""
    yield f"times: median over prompts of paired ratios of wall time, prefill included{interval}"
    families = dict.fromkeys(arm.family for arm in figures.arms)
    tried = ", ".join(f"{family} {sum(arm.family == family for arm in figures.arms)}" for family in families)
    yield f"best settings are those with the least total time over these same prompts, out of so many: {tried}"
    if forms := sorted(_forms(folder)):
        yield f"draftlab's own drafter: {', '.join(forms)}; that of all others: {found.dtype}"
    if left_out := num_all - len(figures.decodes):
        yield f"{left_out} decodes are left out: not every arm has decoded those prompts"


def _forms(folder: Folder) -> set[str]:
    """How draftlab kept the weights of its drafter."""
    own = [session.loaded.get("fast", {}) for session in folder.sessions()]
    return {str(facts["linear"]) for models in own for name, facts in models.items() if name.startswith("drafter")}


def main(words: Sequence[str] | None = None) -> None:
    """Print all folders."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side.table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--markdown", action="store_true", help="as for a README")
    asked = parser.parse_args(words)
    try:
        for path in asked.folders:
            _show(Folder(path), markdown=asked.markdown)
    except DraftlabError as error:
        print(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        sys.exit(2)


def _show(folder: Folder, *, markdown: bool) -> None:
    folder.conditions()  # refused where nothing was measured
    decodes = list(folder.decodes())
    for suite in dict.fromkeys(decode.suite for decode in decodes):
        figures = Figures.of(decodes, suite)
        num_all = sum(decode.suite == suite for decode in decodes)
        if not figures.decodes:
            raise DraftlabError(
                f"no prompt of {suite} in {folder.path} was decoded by every arm",
                "Run the same command again to finish.",
            )
        head, body = rows(figures)
        lists = [*headlines(figures)], [*notes(folder, figures, num_all)]
        (_print_markdown if markdown else _print_table)(suite, head, body, lists)


def _print_table(suite: str, head: Row, body: Sequence[Row], lists: Sequence[Sequence[str]]) -> None:
    table = Table(*(printable_line(cell) for cell in head), title=printable_line(suite))
    for row in body:
        table.add_row(*(printable_line(cell).replace("`", "") for cell in row))
    console = Console(markup=False, highlight=False)
    console.print(table)
    for lines in lists:
        for line in lines:
            console.print(f"  {printable_line(line).replace('`', '')}", soft_wrap=True)
        console.print()


def _print_markdown(suite: str, head: Row, body: Sequence[Row], lists: Sequence[Sequence[str]]) -> None:
    lines = [
        f"**{suite}**",
        "",
        *("| " + " | ".join(row) + " |" for row in (head, ("---",) + ("---:",) * (len(head) - 1), *body)),
    ]
    for each in lists:
        lines += ["", *(f"- {line}" for line in each)]
    print("\n".join(map(printable_line, lines)) + "\n")


def _ratio(estimate: Estimate) -> str:
    return figure(estimate, ".2f")


def _same(figures: Figures, arm: Arm, other: Arm) -> str:
    found = figures.divergence(arm, other)
    where = "" if found.first is None else f", first at token {found.first}"
    return f"{found.compared - found.different} of {found.compared}{where}"


if __name__ == "__main__":
    main()
