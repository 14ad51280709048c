"""`draftlab report`: the figures of a run, again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import options


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    json: options.Json = False,
) -> None:
    """Print what a run found; also while it is running, or when it was interrupted."""
    from draftlab.report.measure import measure
    from draftlab.report.terminal import print_report
    from draftlab.store import Store

    store = Store.open(run)
    if json:
        print(measure(store).model_dump_json(by_alias=True, indent=1))
    else:
        print_report(store)
