"""Workers on this machine: one for each GPU, or some on its processors; each cell is a process of its own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.sweep.outcome import Listener, Outcome
from draftlab.sweep.worker import BAD_INPUT

_TRIES = 3
"""A process that was killed, for want of memory or by hand, is started again; one that says why it cannot is not."""
_GRACE_S = 5.0


@dataclass(frozen=True)
class Slot:
    """Where one cell at a time runs."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    cores: tuple[int, ...] = ()


def slots_here(asked: int | None) -> list[Slot]:
    """One for each GPU; without a GPU one in all, or as many as are asked for, each with its share of the cores."""
    import torch

    gpus = torch.cuda.device_count()
    if gpus:
        if asked is not None and asked > gpus:
            raise DraftlabError(
                f"--workers {asked} is more than the {gpus} GPUs here: two cells on one would slow each other down",
                "Leave it out for one worker a GPU.",
            )
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        names = visible or [str(gpu) for gpu in range(gpus)]
        return [Slot(f"GPU {name}", {"CUDA_VISIBLE_DEVICES": name}) for name in names[: asked or gpus]]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    number = asked or 1
    if number > len(cores):
        raise DraftlabError(
            f"--workers {number} is more than the {len(cores)} processors here", "Leave it out for one worker."
        )
    if number == 1:
        return [Slot("worker 1")]
    each = len(cores) // number
    shares = [tuple(cores[i * each : (i + 1) * each]) for i in range(number)]
    return [Slot(f"worker {i}", {"OMP_NUM_THREADS": str(each)}, share) for i, share in enumerate(shares, 1)]


@dataclass
class LocalWorkers:
    """Processes on this machine, one at a time in each slot."""

    slots: Sequence[Slot]
    command: Callable[[Path, str, Sequence[int]], list[str]] = lambda folder, key, cores: [
        sys.executable, "-m", "draftlab.sweep.worker", str(folder), key, ",".join(map(str, cores)),
    ]  # fmt: skip

    def __call__(self, cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Iterator[Outcome]:
        """Run every cell; those that run when the caller goes are ended, and what they have decoded is kept."""
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        ended: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        crew = _Crew(self, sweep, listener, waiting, ended)
        threads = [threading.Thread(target=crew.work, args=(slot,), daemon=True) for slot in self.slots]
        for thread in threads:
            thread.start()
        try:
            for _ in cells:
                found = ended.get()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            crew.stop()
            for thread in threads:
                thread.join(timeout=2 * _GRACE_S)


class _Crew:
    """The threads that start processes and listen to them."""

    def __init__(
        self,
        workers: LocalWorkers,
        sweep: SweepFolder,
        listener: Listener,
        waiting: queue.SimpleQueue[Cell],
        ended: queue.SimpleQueue[Outcome | BaseException],
    ) -> None:
        self._workers, self._sweep, self._listener = workers, sweep, listener
        self._waiting, self._ended = waiting, ended
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def work(self, slot: Slot) -> None:
        """Until nothing is waiting."""
        try:
            while not self._stopped:
                self._ended.put(self._run(self._waiting.get_nowait(), slot))
        except queue.Empty:
            pass
        except BaseException as error:  # told where the sweep waits
            self._ended.put(error)

    def stop(self) -> None:
        """End what runs."""
        self._stopped = True
        with self._lock:
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _run(self, cell: Cell, slot: Slot) -> Outcome:
        for attempt in range(1, _TRIES + 1):
            self._listener.begins(cell, slot.name)
            status, error = self._process(cell, slot)
            if status == 0:
                self._sweep.log(cell.key).unlink(missing_ok=True)
                return Outcome(cell)
            if status == BAD_INPUT or self._stopped:
                return Outcome(cell, error or "it was stopped")
            log = self._sweep.log(cell.key)
            error = f"its process ended with status {status}{_last_words(log)}"
            if attempt < _TRIES:
                self._listener.noticed(f"{cell.title}: {error}; tried again")
        return Outcome(cell, f"{error}; tried {_TRIES} times")

    def _process(self, cell: Cell, slot: Slot) -> tuple[int, str | None]:
        """Its exit status and what it said of an error."""
        error = None
        with self._sweep.log(cell.key).open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                self._workers.command(self._sweep.folder, cell.key, slot.cores),
                stdin=subprocess.PIPE,  # never written to: it closes when this process goes
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **slot.environment},
                start_new_session=True,  # Ctrl-C reaches this program alone, which ends them
            )
        with self._lock:
            self._running.add(process)
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                match _said(line):
                    case {"done": int(done), "of": int(total)}:
                        self._listener.decoded(cell, done, total)
                    case {"error": str(text)}:
                        error = text
        with self._lock:
            self._running.discard(process)
        return process.returncode, error


def _said(line: str) -> object:
    try:
        found: object = json.loads(line)
    except ValueError:  # a library that prints
        return None
    return found


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][-300:]}; its log is {log}" if lines else ""
