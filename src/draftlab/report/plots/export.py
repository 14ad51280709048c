"""Plots as files for a paper: each as vectors, as pixels, and as the numbers that it shows."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from draftlab.errors import DraftlabError
from draftlab.report.names import one_line
from draftlab.report.plots import style
from draftlab.report.plots.plot import Cell, Plot
from draftlab.report.plots.svg import written

_DOTS_PER_INCH = 300
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would compute, not show


def write_figures(plots: Iterable[Plot], folder: Path) -> list[Path]:
    """Write NAME.svg, NAME.png and NAME.csv of each; what else is in the folder stays."""
    if folder.exists() and not folder.is_dir():
        raise DraftlabError(f"cannot write figures into {folder}: it is a file", "Give a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for plot in plots for path in _write(plot, folder)]
    except OSError as error:
        reason = error.strerror or str(error)
        raise DraftlabError(f"cannot write figures into {folder}: {reason}", "Give a folder to write to.") from None


def _write(plot: Plot, folder: Path) -> list[Path]:
    paths = [folder / f"{plot.name}.{form}" for form in ("svg", "png", "csv")]
    vectors, pixels, numbers = paths
    vectors.write_text(written(plot, transparent=False), encoding="utf-8")
    with style.settings():
        plot.figure.savefig(pixels, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    with numbers.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(plot.columns)
        writer.writerows([_as_data(cell) for cell in row] for row in plot.rows)
    return paths


def _as_data(cell: Cell) -> Cell:
    """A cell of one line that no spreadsheet takes for a formula, whatever a prompt or a model is called."""
    if not isinstance(cell, str):
        return cell
    return ("'" if cell.startswith(_FORMULA) or cell.lstrip().startswith(_FORMULA) else "") + one_line(cell)
