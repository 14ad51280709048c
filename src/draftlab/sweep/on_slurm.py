"""Cells as jobs of Slurm, submitted as one array through submitit. The sweep's folder has to be on a shared disk."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.sweep.cell import make_cell, one_line
from draftlab.sweep.outcome import Listener, Outcome

_LOOK_S = 2.0
_USUAL = {"timeout_min": 240, "slurm_array_parallelism": 16}
TRIAL = ("local", "debug")
"""Submitit's own ways of running jobs without Slurm; here one at a time, since they share a machine."""


@dataclass(frozen=True)
class SlurmWorkers:
    """A partition, and what of it one cell gets."""

    partition: str
    cpus: int = 1
    gpus: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    """Of submitit besides, over the usual ones."""

    def __call__(self, cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Generator[Outcome, None, None]:
        """One array; a job puts its cell into its place, also where nobody waits for it any more."""
        logs = sweep.folder / "slurm"
        executor = self._executor(logs)
        groups = [[cell] for cell in cells] if self.partition in TRIAL else [list(cells)]
        for group in groups:
            jobs = _submitted(executor, sweep, group)
            listener.noticed(
                f"jobs submitted: {len(group)}, each with {self.cpus} processors, {self.gpus} GPUs and "
                f"{self._settings()['timeout_min']} minutes; their logs are in {logs}"
            )
            yield from _collected(dict(zip(jobs, group, strict=True)))

    def _settings(self) -> dict[str, Any]:
        is_trial = self.partition in TRIAL
        usual = {"timeout_min": _USUAL["timeout_min"]} if is_trial else {**_USUAL, "slurm_partition": self.partition}
        return {"cpus_per_task": self.cpus, "gpus_per_node": self.gpus, **usual, **self.settings}

    def _executor(self, logs: Path) -> Any:
        if find_spec("submitit") is None:
            raise DraftlabError("--slurm needs submitit, which is not installed", "pip install 'draftlab[slurm]'")
        import submitit

        # Named, since submitit runs all jobs on this machine at once where it finds no Slurm.
        cluster = self.partition if self.partition in TRIAL else "slurm"
        try:
            executor = submitit.AutoExecutor(folder=logs, cluster=cluster)
            executor.update_parameters(**self._settings())
        except Exception as error:  # its own errors, and those of Slurm's commands
            raise _unusable(error) from error
        return executor


def _submitted(executor: Any, sweep: SweepFolder, cells: Sequence[Cell]) -> list[Any]:
    folder = str(sweep.folder.resolve())
    try:
        found: list[Any] = executor.map_array(work, [folder] * len(cells), [cell.model_dump_json() for cell in cells])
    except Exception as error:  # what sbatch says of the partition, the account, the time
        raise _unusable(error) from error
    return found


def _unusable(error: Exception) -> DraftlabError:
    return DraftlabError(
        f"Slurm cannot be used: {' '.join(str(error).split())[:300]}", "--slurm local tries without it."
    )


def _collected(pending: dict[Any, Cell]) -> Generator[Outcome, None, None]:
    try:
        while pending:
            for job in [job for job in pending if job.done()]:
                yield _outcome(job, pending.pop(job))
            time.sleep(_LOOK_S if pending else 0)
    finally:
        for job in pending:
            job.cancel(check=False)


def work(folder: str, cell: str) -> str | None:
    """The job: run the cell and put it into its place; the line that says why not."""
    try:
        make_cell(Cell.model_validate_json(cell), SweepFolder(Path(folder)))
    except DraftlabError as error:
        return one_line(error)
    return None


def _outcome(job: Any, cell: Cell) -> Outcome:
    try:
        return Outcome(cell, error=job.result())
    except Exception as error:  # submitit wraps what a job raised, or says that it has gone
        reason = " ".join(str(error).split())
        return Outcome(cell, f"job {job.job_id}: {reason[-300:] or type(error).__name__}")
