"""Cells as tasks of a Ray cluster: Ray places them, and runs those again whose worker or node was lost."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.grid.identity import models_of
from draftlab.models import CATALOGUE, resolve
from draftlab.suites import BUILT_IN
from draftlab.sweep.cell import files_of_cell
from draftlab.sweep.outcome import Listener, Outcome

_RETRIES = 3
_LOOK_S = 1.0
_NEWS_S = 300.0


@dataclass(frozen=True)
class RayWorkers:
    """A cluster, and what of it one cell gets."""

    address: str
    cpus: int = 1
    gpus: int | None = None
    """None: one where the cluster has any."""

    def __call__(self, cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Generator[Outcome, None, None]:
        """Submit every cell; each comes back as the files of its run, since nodes need not share a disk."""
        for cell in cells:
            _require_whole_paths(cell)
        ray = _connected(self.address)
        try:
            resources = self._resources(ray)
            listener.noticed(f"Ray at {self.address}: {_told(ray.cluster_resources())}; a cell gets {_told(resources)}")
            task = ray.remote(
                max_retries=_RETRIES,
                max_calls=1,  # a process for each cell, as on this machine
                num_cpus=resources["CPU"],
                num_gpus=resources["GPU"],
                scheduling_strategy="SPREAD",
            )(files_of_cell)
            pending = {task.remote(cell): cell for cell in cells}
            yield from self._collected(ray, pending, listener)
        finally:
            ray.shutdown()

    def _resources(self, ray: Any) -> dict[str, int]:
        """What a cell gets; a node has to have it."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = int(any(node.get("GPU", 0) > 0 for node in nodes)) if self.gpus is None else self.gpus
        asked = {"CPU": self.cpus, "GPU": gpus}
        if not any(all(node.get(name, 0) >= number for name, number in asked.items()) for node in nodes):
            raise DraftlabError(
                f"no node of the Ray cluster at {self.address} has the {_told(asked)} that a cell is to have; there "
                f"are {'; '.join(map(_told, nodes)) or 'none'}",
                "Ask for less with --cpus or --gpus.",
            )
        return asked

    def _collected(self, ray: Any, pending: dict[Any, Cell], listener: Listener) -> Iterator[Outcome]:
        last = monotonic()
        while pending:
            done, _ = ray.wait(list(pending), timeout=_LOOK_S)
            for each in done:
                yield _outcome(ray, each, pending.pop(each))
            if monotonic() - last > _NEWS_S:
                self._resources(ray)  # a cell that no node can take any more would wait for ever
                free = ray.available_resources()
                listener.noticed(f"{len(pending)} cells are with Ray; free there: {_told(free)}")
                last = monotonic()


def _require_whole_paths(cell: Cell) -> None:
    """A node of Ray works in another folder."""
    names = [cell.target, *models_of(cell.drafter)]
    paths = [Path(name) for name in names if resolve(name).kind in ("folder", "gguf") and name not in CATALOGUE]
    paths += [Path(cell.suite)] if cell.suite not in BUILT_IN else []
    for path in paths:
        if not path.is_absolute():
            raise DraftlabError(
                f"{path} is a path from this folder, and the nodes of a Ray cluster have others",
                "Write the whole path.",
            )


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


def _outcome(ray: Any, reference: Any, cell: Cell) -> Outcome:
    try:
        found = ray.get(reference)
    except Exception as error:  # what the task raised, or that its worker was lost again and again
        reason = " ".join(str(error).split())
        return Outcome(cell, f"Ray gave it up: {reason[-300:] or type(error).__name__}")
    return Outcome(cell, error=found) if isinstance(found, str) else Outcome(cell, files=found)


def _told(resources: dict[str, Any]) -> str:
    return ", ".join(f"{resources.get(name, 0):g} {name}" for name in ("CPU", "GPU"))
