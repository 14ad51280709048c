"""One cell, run in this process."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from draftlab.errors import BusyError, CannotResumeError, DraftlabError
from draftlab.grid.cells import Cell, is_as_asked
from draftlab.grid.folder import SweepFolder
from draftlab.store import Store
from draftlab.store.lock import exclusive

_LOOK_S = 2.0


def make_cell(cell: Cell, sweep: SweepFolder, observer: Any = None) -> None:
    """Run it and put it into its place. Where another process is at it, wait, and run it only if that did not."""
    with _held(sweep.lock(cell.key)):
        if sweep.run(cell) is None:
            run_cell(cell, sweep.work(cell.key), observer)
            sweep.keep(cell.key, sweep.work(cell.key))


def run_cell(cell: Cell, folder: Path, observer: Any = None) -> None:
    """Run it into `folder`, or finish what was begun there on a machine like this one."""
    from draftlab.api import run  # torch takes seconds, and not everybody who names cells runs them
    from draftlab.spec import make_experiment

    if not is_as_asked(cell):
        raise DraftlabError(
            "draftlab's code, the prompts or the models are not those that the sweep was started with",
            "Pass --resume to run what is missing with those of now.",
        )
    asked = make_experiment(cell.experiment)
    if _has_begun(folder):
        try:
            run(asked, folder, resume=True, observer=observer)
            return
        except CannotResumeError:  # begun on another machine
            pass
    shutil.rmtree(folder, ignore_errors=True)
    run(asked, folder, observer=observer)


def files_of_cell(cell: Cell) -> dict[str, bytes] | str:
    """Run it where nobody sees the sweep's folder: the files of the run, or the line that says why there are none."""
    with tempfile.TemporaryDirectory(prefix="draftlab-") as home:
        folder = Path(home) / "run"
        try:
            run_cell(cell, folder)
        except DraftlabError as error:
            return one_line(error)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def one_line(error: DraftlabError) -> str:
    """An error with what to do."""
    return " ".join(f"{error}. {error.hint}".split()) if error.hint else " ".join(str(error).split())


def _has_begun(folder: Path) -> bool:
    try:
        Store.open(folder).manifest()
    except DraftlabError:
        return False
    return True


@contextmanager
def _held(path: Path) -> Iterator[None]:
    while True:
        try:
            with exclusive(path):
                yield
                return
        except BusyError:
            time.sleep(_LOOK_S)
