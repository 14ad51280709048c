"""The other processes of a split target: started here, told what to do line by line, and ended with this one.

This process alone decides what is passed; the others repeat its passes on their parts of the weights. So no two of
them can part ways, whatever is drafted, drawn or timed. They listen at their standard input, which ends when this
process does, however that comes about.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

from draftlab.engines.loopback import HOST, listener
from draftlab.errors import EngineLostError

READY, LOADED = "ready", "loaded"
_PATIENCE = 5.0  # seconds, at the end


def join(store: Any, rank: int, num: int) -> None:
    """Become process `rank` of `num`, which share the weights."""
    device = None
    if torch.cuda.is_available():
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device else "gloo", store=store, rank=rank, world_size=num, device_id=device)


class Ranks:
    """The processes 1, 2, ... of a group in which this one is process 0."""

    _running: Ranks | None = None

    def __init__(self, num: int, orders: Mapping[str, Any], name: str) -> None:
        """Start `num` - 1 of them, which will do as `orders` say; those of another target end."""
        if Ranks._running is not None:  # a process has one group
            Ranks._running.close("another target was split")
        self._name = name
        self._waiting: list[list[Any]] = []
        self._end = ""
        bound = listener()
        port = bound.getsockname()[1]
        store = dist.TCPStore(  # type: ignore[attr-defined]
            HOST, port, num, is_master=True, wait_for_workers=False, master_listen_fd=bound.detach()
        )
        self._errors = [tempfile.TemporaryFile("w+") for _ in range(1, num)]  # noqa: SIM115 - closed with them
        self._processes = [
            subprocess.Popen(
                # -P: a torch.py in the user's folder is not torch.
                [sys.executable, "-P", "-m", "draftlab.engines.follower", str(rank), str(num), str(port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                # Where transformers looks for the number of the GPU.
                env={**os.environ, "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": str(torch.get_num_threads())},
            )
            for rank, errors in enumerate(self._errors, start=1)
        ]
        Ranks._running = self
        atexit.register(self.close)
        self._tell(orders)
        self.expect(READY)
        try:
            join(store, 0, num)
        except BaseException:
            self.close()
            raise

    def expect(self, word: str) -> None:
        """Wait until all of them say `word`."""
        for process in self._processes:
            assert process.stdout is not None
            if process.stdout.readline().strip() != word:
                raise self._lost()

    def later(self, call: str, *arguments: Any) -> None:
        """Let them do `call` before the next that is done in step: it needs no answer from this process."""
        self._waiting.append([call, *arguments])

    @contextmanager
    def in_step(self, call: str, *arguments: Any) -> Iterator[None]:
        """Let them do `call` while this process does the same; where either fails, none can go on."""
        if Ranks._running is not self:
            raise EngineLostError(
                f"the other processes of '{self._name}' have ended: {self._end}",
                "Load it again; a run goes on with --resume.",
            )
        self.later(call, *arguments)
        self._tell(self._waiting)
        self._waiting = []
        try:
            yield
        except BaseException as error:
            lost = isinstance(error, RuntimeError) and self._is_lost()
            found = self._lost() if lost else None
            self.close(f"{type(error).__name__}: {error}".splitlines()[0][:300])
            if found is not None:
                raise found from error
            raise

    def close(self, reason: str = "it was closed") -> None:
        """End them; again does nothing."""
        if Ranks._running is not self:
            return
        Ranks._running = None
        self._end = reason
        atexit.unregister(self.close)
        for process in self._processes:
            _hang_up(process)
        for process in self._processes:
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for errors in self._errors:
            errors.close()
        if dist.is_initialized():
            dist.destroy_process_group()

    def _tell(self, words: Any) -> None:
        line = json.dumps(words) + "\n"
        for process in self._processes:
            assert process.stdin is not None
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except OSError as error:
                raise self._lost() from error

    def _is_lost(self) -> bool:
        for process in self._processes:
            try:
                process.wait(_PATIENCE)  # the error that this process sees may come before the other has ended
            except subprocess.TimeoutExpired:
                continue
            return True
        return False

    def _lost(self) -> EngineLostError:
        """What the first process that has ended said last; the others end, too."""
        self._is_lost()
        said = []
        for process, errors in zip(self._processes, self._errors, strict=True):
            if process.poll() is not None:
                errors.seek(0)
                lines = [line.strip() for line in errors if line.strip()]
                said.append(lines[-1] if lines else f"it ended with status {process.returncode}")
        reason = said[0][:300] if said else "it says something else than it should"
        self.close(reason)
        return EngineLostError(
            f"a process of '{self._name}' was lost: {reason}",
            "Is there memory for every part? Try a smaller --tensor-parallel, or --device spread.",
        )


def _hang_up(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        try:
            if pipe is not None:
                pipe.close()
        except OSError:  # what was still to be written, nobody reads
            pass
