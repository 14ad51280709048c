"""The process of one cell: `python -m draftlab.sweep.worker FOLDER [CORES]`, with the cell as a line of JSON.

A process for each cell, so that none begins with what another has left in memory, and a crash costs one cell. It says
on standard output how far it is, a JSON object a line, and ends when whoever started it has gone.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

BAD_INPUT = 2


def main(folder: str, cores: str = "") -> int:
    """Run the cell and put it into its place."""
    asked = sys.stdin.buffer.readline()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    from draftlab.errors import DraftlabError
    from draftlab.grid.cells import Cell
    from draftlab.grid.folder import SweepFolder
    from draftlab.sweep.cell import make_cell, one_line

    try:
        make_cell(Cell.model_validate_json(asked), SweepFolder(Path(folder)), _teller())
    except DraftlabError as error:
        _tell(error=one_line(error))
        return BAD_INPUT
    return 0


def _teller() -> Any:
    from draftlab.bench.run import Observer

    class Teller(Observer):
        num_done = 0
        num_tasks = 0

        def planned(self, num_tasks: int, num_done: int) -> None:
            self.num_tasks, self.num_done = num_tasks, num_done
            self._told()

        def watches(self, num_tasks: int) -> None:
            self.num_tasks += num_tasks

        def ended(self, trace: object) -> None:
            self.num_done += 1
            self._told()

        def watched(self) -> None:
            self.num_done += 1
            self._told()

        def _told(self) -> None:
            _tell(done=self.num_done, of=self.num_tasks)

    return Teller()


def _tell(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _leave_with_parent() -> None:
    while os.read(0, 1):  # ends when the other end is closed, by a kill, too; sys.stdin cannot be left at the end
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
