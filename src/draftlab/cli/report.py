"""`draftlab report`: the figures of a run, again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from draftlab.cli import gate, options
from draftlab.cli.grid_report import tell_grid
from draftlab.cli.load import tell_load

if TYPE_CHECKING:
    from draftlab.report.measure import Report
    from draftlab.store import Store


def report(
    run: Annotated[
        Path, typer.Argument(help="The folder of a run, a sweep or a measurement under load.", show_default=False)
    ],
    acceptance: Annotated[
        bool, typer.Option("--acceptance", help="Also by position, token class, entropy, place and sub-category.")
    ] = False,
    plots: Annotated[
        bool | None,
        typer.Option("--plots/--no-plots", help="Small plots. [default: on a terminal that is wide enough]"),
    ] = None,
    html: options.Html = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write each plot as SVG, PNG and CSV.", show_default=False),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
    fail_if: options.FailIf = None,
    json: options.Json = False,
) -> None:
    """Print what a run found; also while it is running, or when it was interrupted."""
    from draftlab.errors import DraftlabError
    from draftlab.grid.folder import SweepFolder
    from draftlab.load.lengths import is_load
    from draftlab.report.acceptance_table import print_acceptance
    from draftlab.report.conditions import REPORT_METRICS, report_rows
    from draftlab.report.measure import measure
    from draftlab.report.terminal import print_report
    from draftlab.store import Store

    if json and markdown:
        raise DraftlabError("--json and --markdown both want standard output", "Give one of them.")
    conditions = gate.read_conditions(fail_if, REPORT_METRICS)
    if SweepFolder.is_one(run):
        if acceptance or markdown or figures or fail_if:
            raise DraftlabError(
                f"{run} is a sweep, and of a sweep there are tables, --html and --json",
                f"Name one of its cells, which are runs: {run / 'cells'}.",
            )
        tell_grid(run, html, json=json)
        return
    if is_load(run):
        if acceptance or markdown or html or figures or fail_if:
            raise DraftlabError(f"{run} is a measurement under load, of which there are a table and --json")
        tell_load(run, json=json)
        return
    store = Store.open(run)
    if json or markdown or html or figures:
        found = measure(store)
        _print(store, found, json=json, markdown=markdown)
        if html or figures:
            _write(store, found, html, figures)
    else:
        found = print_report(store, plots=plots)
        if acceptance:
            print_acceptance(found)
    if not gate.passes(conditions, report_rows(found)):
        raise typer.Exit(1)


def _print(store: Store, found: Report, *, json: bool, markdown: bool) -> None:
    if json:
        print(found.model_dump_json(by_alias=True, indent=1))
    if markdown:
        from draftlab.report.markdown import report_markdown

        print(report_markdown(found, store.manifest()), end="")


def _write(store: Store, found: Report, html: Path | None, figures: Path | None) -> None:
    """The page and the plots; they alone need matplotlib, which takes a while to load."""
    from draftlab.report.reading import Run

    run = Run.read(store)
    if html is not None:
        from draftlab.report.html.document import write_page
        from draftlab.report.html.page import report_page
        from draftlab.report.html.token_view import token_view

        options.tell_written(html, write_page(report_page(run, found, token_view(run)), html))
    if figures is not None:
        from draftlab.report.plots.export import write_figures
        from draftlab.report.plots.of_run import plots_of

        written = write_figures(plots_of(run, found), figures)
        print(f"{len(written)} files in {options.shown(figures)}", file=sys.stderr)
