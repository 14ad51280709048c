"""Cells as tasks of a Ray cluster: Ray places them, and runs those again whose worker or node was lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from time import monotonic
from typing import Any

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.sweep.cell import files_of_cell
from draftlab.sweep.outcome import Listener, Outcome

_RETRIES = 3
_LOOK_S = 1.0
_PATIENCE_S = 60.0
"""So long nothing may run before the cluster is said to be busy."""


@dataclass(frozen=True)
class RayWorkers:
    """A cluster, and what of it one cell gets."""

    address: str
    cpus: int = 1
    gpus: int | None = None
    """None: one where the cluster has any."""

    def __call__(self, cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Iterator[Outcome]:
        """Submit every cell; each comes back as the files of its run, since nodes need not share a disk."""
        ray = _connected(self.address)
        try:
            resources = self._resources(ray.cluster_resources())
            listener.noticed(f"Ray at {self.address}: {_told(ray.cluster_resources())}; a cell gets {_told(resources)}")
            task = ray.remote(
                max_retries=_RETRIES,
                max_calls=1,  # a process for each cell, as on this machine
                num_cpus=resources["CPU"],
                num_gpus=resources["GPU"],
                scheduling_strategy="SPREAD",
            )(files_of_cell)
            pending = {task.remote(cell.experiment): cell for cell in cells}
            for cell in cells:
                listener.begins(cell, "Ray")
            yield from _collected(ray, pending, listener)
        finally:
            ray.shutdown()

    def _resources(self, there: dict[str, float]) -> dict[str, int]:
        gpus = int(there.get("GPU", 0) > 0) if self.gpus is None else self.gpus
        asked = {"CPU": self.cpus, "GPU": gpus}
        for name, number in asked.items():
            if number > there.get(name, 0):
                raise DraftlabError(
                    f"a cell is to have {number} {name}, and the Ray cluster at {self.address} has "
                    f"{there.get(name, 0):g} in all",
                    "Ask for less with --cpus or --gpus.",
                )
        return asked


def _connected(address: str) -> Any:
    if find_spec("ray") is None:
        raise DraftlabError("--ray needs Ray, which is not installed", "pip install 'draftlab[ray]'")
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray fails in many ways of its own
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DraftlabError(
            f"no Ray cluster answers at {address}: {reason[:200]}", "Start one with `ray start --head`, or use auto."
        ) from error
    return ray


def _collected(ray: Any, pending: dict[Any, Cell], listener: Listener) -> Iterator[Outcome]:
    last = monotonic()
    while pending:
        done, _ = ray.wait(list(pending), timeout=_LOOK_S)
        for each in done:
            last = monotonic()
            yield _outcome(ray, each, pending.pop(each))
        if monotonic() - last > _PATIENCE_S:
            free = ray.available_resources()
            listener.noticed(f"{len(pending)} cells are with Ray; free there: {_told(free)}")
            last = monotonic()


def _outcome(ray: Any, reference: Any, cell: Cell) -> Outcome:
    try:
        found = ray.get(reference)
    except Exception as error:  # what the task raised, or that its worker was lost again and again
        reason = " ".join(str(error).split())
        return Outcome(cell, f"Ray gave it up: {reason[-300:] or type(error).__name__}")
    return Outcome(cell, error=found) if isinstance(found, str) else Outcome(cell, files=found)


def _told(resources: dict[str, Any]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}" for name in ("CPU", "GPU"))
