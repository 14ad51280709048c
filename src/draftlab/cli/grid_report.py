"""A sweep's figures, for `draftlab sweep` and `draftlab report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from draftlab.cli import options

if TYPE_CHECKING:
    from draftlab.grid.measure import GridReport


def tell_grid(folder: Path, html: Path | None, *, json: bool) -> GridReport:
    """Print them, as tables or as one document; write the page where one is asked for."""
    from draftlab.grid.folder import SweepFolder
    from draftlab.grid.measure import measure_grid
    from draftlab.grid.terminal import print_grid

    found = measure_grid(SweepFolder(folder))
    if json:
        print(found.model_dump_json(by_alias=True, indent=1))
    else:
        print_grid(found)
    if html is not None:
        from draftlab.grid.page import grid_page
        from draftlab.report.html.document import write_page

        options.tell_written(html, write_page(grid_page(found), html))
    return found
