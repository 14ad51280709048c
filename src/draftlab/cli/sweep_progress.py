"""What a person sees while a sweep runs: how many cells are done, what runs where, and what came of each."""

from __future__ import annotations

import threading
from time import monotonic

from draftlab.cli.progress import Screen
from draftlab.grid.cells import Cell
from draftlab.report.printable import printable_line
from draftlab.sweep.outcome import Listener, Outcome


class SweepProgress(Screen, Listener):
    """A bar of cells; its parts are decodes, where a worker tells of them. Workers may call from several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._running: dict[str, tuple[Cell, str, float]] = {}
        self._begun: dict[str, float] = {}
        self._num_cells = 0
        self._num_done = 0

    def planned(self, num_cells: int, num_done: int) -> None:
        self._num_cells, self._num_done = num_cells, num_done
        done = f", {num_done} of them done before" if num_done else ""
        self.say(f"{num_cells} cells{done}")
        self._bar.start_task(self._row)
        self._show()

    def begins(self, cell: Cell, where: str) -> None:
        with self._lock:
            self._begun[cell.key] = monotonic()
            self._running[cell.key] = (cell, where, 0.0)
            self._show()

    def decoded(self, cell: Cell, num_done: int, num_tasks: int) -> None:
        with self._lock:
            if cell.key in self._running:
                _, where, _ = self._running[cell.key]
                self._running[cell.key] = (cell, where, num_done / max(1, num_tasks))
                self._show(now=False)

    def ended(self, outcome: Outcome) -> None:
        with self._lock:
            key = outcome.cell.key
            _, where, _ = self._running.pop(key, (None, "", 0.0))
            self._num_done += 1
            begun = self._begun.pop(key, None)  # None: elsewhere, and nobody has said when
            took = "" if begun is None else f" after {monotonic() - begun:.0f} s"
            what = f"failed: {outcome.error}" if outcome.error else f"done{took}"
            self.say(f"{self._num_done}/{self._num_cells} {outcome.cell.title}: {what}{f' ({where})' if where else ''}")
            self._show()

    def noticed(self, text: str) -> None:
        with self._lock:
            self.say(text)

    def _show(self, *, now: bool = True) -> None:
        parts = sum(share for _, _, share in self._running.values())
        names = [f"{where}: {cell.drafter}, {cell.suite}" for cell, where, _ in self._running.values()]
        what = "; ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
        self._bar.update(
            self._row,
            total=self._num_cells,
            completed=self._num_done + parts,
            visible=True,
            description=printable_line(what),
        )
        self.draw(now=now)
