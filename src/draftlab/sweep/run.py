"""A sweep, from what is missing to its last cell."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from draftlab.drafters.reference import require_options
from draftlab.grid.cells import cells_of
from draftlab.grid.folder import SweepFolder
from draftlab.grid.measure import broken_arm
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
    cells = cells_of(grid)
    sweep = SweepFolder.prepare(folder, resume=resume)
    with sweep.driven():
        missing = [cell for cell in cells if sweep.run(cell) is None]
        for drafter in {cell.drafter for cell in missing}:
            require_options(drafter)
        if again := sweep.write(grid, cells, command):
            listener.noticed(f"made with other code, prompts or models, and run again: {again} complete cells")
        listener.planned(len(cells), len(cells) - len(missing))
        for cell in missing:
            sweep.set_damaged_aside(cell.key)
        if missing:
            with closing(workers(missing, sweep, listener)) as outcomes:  # they have ended when the lock is given up
                for outcome in outcomes:
                    listener.ended(_settled(outcome, sweep))
        if all(sweep.cell(cell.key).is_dir() for cell in cells):
            shutil.rmtree(sweep.folder / "work", ignore_errors=True)
    return sweep


def _settled(outcome: Outcome, sweep: SweepFolder) -> Outcome:
    """Its files in their place, or its error on record."""
    cell = outcome.cell
    if outcome.error is None and outcome.files is not None:
        sweep.keep_files(cell.key, outcome.files)
    if outcome.error is None:
        run = sweep.run(cell)
        error = "it ended, and its run is not complete" if run is None else broken_arm(run)
        if error is not None:
            sweep.set_damaged_aside(cell.key)
            outcome = replace(outcome, error=error)
    if outcome.error is not None:
        sweep.note_failure(cell.key, outcome.error)
    return outcome
