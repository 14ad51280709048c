"""What became of a cell, and who wants to know."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass

from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder


@dataclass(frozen=True)
class Outcome:
    """A cell that has ended."""

    cell: Cell
    error: str | None = None
    """None: it is complete."""
    files: Mapping[str, bytes] | None = None
    """Of a run that was made where the sweep's folder is not; None where it is in its place already."""


class Listener:
    """Who wants to know how a sweep goes on overrides some of these."""

    def planned(self, num_cells: int, num_done: int) -> None:
        """The whole sweep has so many cells, of which some were done before."""

    def begins(self, cell: Cell, where: str) -> None:
        """`cell` runs now."""

    def decoded(self, cell: Cell, num_done: int, num_tasks: int) -> None:
        """So many decodes of it are done."""

    def ended(self, outcome: Outcome) -> None:
        """A cell is in its place, or has failed."""

    def noticed(self, text: str) -> None:
        """Something that a person should know."""


Workers = Callable[[Sequence[Cell], SweepFolder, Listener], Generator[Outcome, None, None]]
"""Who runs cells: each is yielded when it has ended, in any order. Closed, it has ended what ran."""
