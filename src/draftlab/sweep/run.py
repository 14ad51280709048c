"""A sweep, from what is missing to its last cell."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from draftlab.grid.folder import SweepFolder
from draftlab.grid.spec import Grid
from draftlab.sweep.outcome import Listener, Outcome, Workers


def run_sweep(
    grid: Grid,
    folder: Path,
    workers: Workers,
    *,
    command: tuple[str, ...] = (),
    resume: bool = False,
    listener: Listener | None = None,
) -> SweepFolder:
    """Run the cells that are not there; one that fails is noted, and the others go on."""
    listener = listener or Listener()
    sweep = SweepFolder.begin(folder, grid, command, resume=resume)
    with sweep.driven():
        cells = sweep.record().cells
        missing = [cell for cell in cells if sweep.run(cell.key) is None]
        listener.planned(len(cells), len(cells) - len(missing))
        for cell in missing:
            sweep.set_damaged_aside(cell.key)
        if missing:
            for outcome in workers(missing, sweep, listener):
                listener.ended(_settled(outcome, sweep))
        if all(sweep.cell(cell.key).is_dir() for cell in cells):
            shutil.rmtree(sweep.folder / "work", ignore_errors=True)
    return sweep


def _settled(outcome: Outcome, sweep: SweepFolder) -> Outcome:
    """Its files in their place, or its error on record."""
    key = outcome.cell.key
    if outcome.error is None and outcome.files is not None:
        sweep.keep_files(key, outcome.files)
    if outcome.error is None and sweep.run(key) is None:
        sweep.set_damaged_aside(key)
        outcome = replace(outcome, error="it ended, and its run is not complete")
    if outcome.error is not None:
        sweep.note_failure(key, outcome.error)
    return outcome
