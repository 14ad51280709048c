"""Small grids of the toy, run in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.sweep.cell import make_cell
from draftlab.sweep.outcome import Listener, Outcome

SMALL = {"target": "toy", "drafters": ["ngram", "model:toy:0.3"], "gammas": [1, 3], "limit": 6, "max_new_tokens": 8}


Outcomes = Generator[Outcome, None, None]


def here(cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Outcomes:
    """The simplest workers: this process."""
    for cell in cells:
        listener.begins(cell, "here")
        make_cell(cell, sweep)
        yield Outcome(cell)
