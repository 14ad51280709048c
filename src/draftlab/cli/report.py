"""`draftlab report`: the figures of a run, again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import gate, options


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    acceptance: Annotated[
        bool, typer.Option("--acceptance", help="Also by position, token class, entropy, place and sub-category.")
    ] = False,
    plots: Annotated[
        bool | None,
        typer.Option("--plots/--no-plots", help="Small plots. [default: on a terminal that is wide enough]"),
    ] = None,
    fail_if: options.FailIf = None,
    json: options.Json = False,
) -> None:
    """Print what a run found; also while it is running, or when it was interrupted."""
    from draftlab.report.acceptance_table import print_acceptance
    from draftlab.report.conditions import REPORT_METRICS, report_rows
    from draftlab.report.measure import measure
    from draftlab.report.terminal import print_report
    from draftlab.store import Store

    conditions = gate.read_conditions(fail_if, REPORT_METRICS)
    store = Store.open(run)
    if json:
        found = measure(store)
        print(found.model_dump_json(by_alias=True, indent=1))
    else:
        found = print_report(store, plots=plots)
        if acceptance:
            print_acceptance(found)
    if not gate.passes(conditions, report_rows(found)):
        raise typer.Exit(1)
