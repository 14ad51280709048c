"""`draftlab compare`: what changed from one run to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import gate, options


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Run folders; the first is the reference.", show_default=False),
    ],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare what the runs share, though they decode different things.")
    ] = False,
    html: options.Html = None,
    fail_if: options.FailIf = None,
    json: options.Json = False,
) -> None:
    """Hold runs against the first of them, prompt by prompt: faster, slower, or no difference seen."""
    from draftlab.report.compare import compare as compare_runs
    from draftlab.report.comparison_table import print_comparison
    from draftlab.report.conditions import COMPARE_METRICS, comparison_rows
    from draftlab.store import Store

    conditions = gate.read_conditions(fail_if, COMPARE_METRICS)
    stores = [Store.open(run) for run in runs]
    found = compare_runs(stores, anyway=anyway)
    if json:
        print(found.model_dump_json(by_alias=True, indent=1))
    elif html is None:
        print_comparison(found, stores[0].manifest())
    if html is not None:
        from draftlab.report.html.comparison_page import comparison_page
        from draftlab.report.html.document import write_page

        options.tell_written(html, write_page(comparison_page(found, stores[0].manifest()), html))
    if not gate.passes(conditions, comparison_rows(found)):
        raise typer.Exit(1)
