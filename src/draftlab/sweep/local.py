"""Workers on this machine: one for each GPU, or some on its processors; each cell is a process of its own."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.sweep.outcome import Listener, Outcome
from draftlab.sweep.slots import Slot
from draftlab.sweep.worker import BAD_INPUT

_TRIES = 3
"""A process that was killed, for want of memory or by hand, is started again; one that says why it cannot is not."""
_GRACE_S = 5.0


@dataclass
class LocalWorkers:
    """Processes on this machine, one at a time in each slot."""

    slots: Sequence[Slot]

    def __call__(self, cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Generator[Outcome, None, None]:
        """Run every cell; those that run when the caller goes are ended, and what they have decoded is kept."""
        waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        for cell in cells:
            waiting.put(cell)
        ended: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        crew = _Crew(sweep, listener, waiting, ended)
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
        sweep: SweepFolder,
        listener: Listener,
        waiting: queue.SimpleQueue[Cell],
        ended: queue.SimpleQueue[Outcome | BaseException],
    ) -> None:
        self._sweep, self._listener = sweep, listener
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
        """End what runs, and start nothing more."""
        with self._lock:
            self._stopped = True
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
        with self._sweep.log(cell.key).open("a", encoding="utf-8") as log, self._lock:
            if self._stopped:
                return BAD_INPUT, "it was stopped"
            process = _start(self._sweep.folder, slot, log)
            self._running.add(process)
        with process:
            assert process.stdin is not None and process.stdout is not None
            with suppress(BrokenPipeError):  # it has ended already
                process.stdin.write(cell.model_dump_json() + "\n")
                process.stdin.flush()
            for line in process.stdout:
                match _said(line):
                    case {"done": int(done), "of": int(total)}:
                        self._listener.decoded(cell, done, total)
                    case {"error": str(text)}:
                        error = text
        with self._lock:
            self._running.discard(process)
        return process.returncode, error


def _start(folder: Path, slot: Slot, log: IO[str]) -> subprocess.Popen[str]:
    """Its standard input stays open: it closes when this process goes, and the worker goes then, too."""
    cores = ",".join(map(str, slot.cores))
    return subprocess.Popen(
        # -P: a file called torch.py in the folder of the experiment is no module
        [sys.executable, "-P", "-m", "draftlab.sweep.worker", str(folder), cores],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **slot.environment},
        start_new_session=True,  # Ctrl-C reaches this program alone, which ends them
    )


def _said(line: str) -> object:
    try:
        found: object = json.loads(line)
    except ValueError:  # a library that prints
        return None
    return found


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][-300:]}; its log is {log}" if lines else ""
