"""Cells as jobs of Slurm, submitted as one array through submitit. The sweep's folder has to be on a shared disk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.sweep.cell import one_line, run_cell
from draftlab.sweep.outcome import Listener, Outcome

_LOOK_S = 2.0
_AT_ONCE = 16
TRIAL = ("local", "debug")
"""Submitit's own ways of running jobs without Slurm."""


@dataclass(frozen=True)
class SlurmWorkers:
    """A partition, and what of it one cell gets."""

    partition: str
    cpus: int = 1
    gpus: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    """Of submitit besides, as timeout_min=120."""

    def __call__(self, cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Iterator[Outcome]:
        """One array; a job puts its cell into its place, also where nobody waits for it any more."""
        executor = self._executor(sweep.folder / "slurm")
        folder = str(sweep.folder.resolve())
        jobs = executor.map_array(work, [folder] * len(cells), [cell.key for cell in cells])
        listener.noticed(f"{len(cells)} jobs submitted; their logs are in {sweep.folder / 'slurm'}")
        for cell, job in zip(cells, jobs, strict=True):
            listener.begins(cell, f"job {job.job_id}")
        pending = dict(zip(jobs, cells, strict=True))
        try:
            while pending:
                for job in [job for job in pending if job.done()]:
                    yield _outcome(job, pending.pop(job))
                time.sleep(_LOOK_S if pending else 0)
        finally:
            for job in pending:
                job.cancel(check=False)

    def _executor(self, logs: Path) -> Any:
        if find_spec("submitit") is None:
            raise DraftlabError("--slurm needs submitit, which is not installed", "pip install 'draftlab[slurm]'")
        import submitit

        trial = self.partition if self.partition in TRIAL else None
        try:
            executor = submitit.AutoExecutor(folder=logs, cluster=trial)
            executor.update_parameters(
                cpus_per_task=self.cpus,
                gpus_per_node=self.gpus,
                **({} if trial else {"slurm_partition": self.partition, "slurm_array_parallelism": _AT_ONCE}),
                **self.settings,
            )
        except Exception as error:  # its own errors, and those of Slurm's commands
            raise DraftlabError(f"Slurm cannot be used: {' '.join(str(error).split())[:300]}") from error
        return executor


def work(folder: str, key: str) -> str | None:
    """The job: run the cell and put it into its place; the line that says why not."""
    sweep = SweepFolder(Path(folder))
    (cell,) = [cell for cell in sweep.record().cells if cell.key == key]
    try:
        run_cell(cell.experiment, sweep.work(key))
    except DraftlabError as error:
        return one_line(error)
    sweep.keep(key, sweep.work(key))
    return None


def _outcome(job: Any, cell: Cell) -> Outcome:
    try:
        return Outcome(cell, error=job.result())
    except Exception as error:  # submitit wraps what a job raised, or says that it has gone
        reason = " ".join(str(error).split())
        return Outcome(cell, f"job {job.job_id}: {reason[-300:] or type(error).__name__}")
