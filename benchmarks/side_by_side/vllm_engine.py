"""vLLM in a process of its own, one for each arm, which sleeps while others decode."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil

from benchmarks.side_by_side.arms import Arm
from benchmarks.side_by_side.subject import Timed
from draftlab.errors import DraftlabError

WORKER = Path(__file__).with_name("vllm_worker.py")
_BESIDE_WEIGHTS = 2 * 2**30  # its cache of 1 GiB, and what the program takes by itself
_SETTLE_S = 0.3  # threads of a pool spin for a while before they sleep


@dataclass
class VllmEngine:
    """A worker process, its answers, and the processor time that it took between decodes."""

    arm: Arm
    process: subprocess.Popen[str]
    log: Path
    idle_s: float = 0.0
    idle_cpu_s: float = 0.0
    _last: tuple[float, float] | None = field(default=None, init=False)

    @classmethod
    def start(cls, arm: Arm, python: Path, asked: Mapping[str, Any], threads: int, log: Path) -> VllmEngine:
        """Start a worker and wait until it has loaded; `asked` is what its first line says."""
        _require_room(arm, asked)
        command = [str(python), "-P", str(WORKER)]
        with log.open("w") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=_environment(threads, python),
            )
        engine = cls(arm, process, log)
        try:
            engine._ask(asked)
        except BaseException:  # nobody else knows of the process yet
            engine.close()
            raise
        return engine

    def __call__(self, prompt: Sequence[int], num_tokens: int) -> Timed:
        self._count_idle_time()
        answer = self._ask({"prompt": list(prompt), "num_tokens": num_tokens})
        sleep(_SETTLE_S)
        self._last = (monotonic(), self._cpu_s())
        return Timed(tuple(answer["tokens"]), answer["seconds"])

    @property
    def idle_share(self) -> float:
        """Of one core, taken while others decoded."""
        return self.idle_cpu_s / self.idle_s if self.idle_s else 0.0

    def close(self) -> None:
        """End the worker that this object started."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; the empty answer says so
        line = self.process.stdout.readline()
        if not line:
            raise DraftlabError(f"{self.arm.name} ended before it answered", f"Its last words are in {self.log}.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _count_idle_time(self) -> None:
        if self._last:
            self.idle_s += monotonic() - self._last[0]
            self.idle_cpu_s += self._cpu_s() - self._last[1]

    def _cpu_s(self) -> float:
        """Of the worker and of all that it has started."""
        worker = psutil.Process(self.process.pid)
        times = [each.cpu_times() for each in (worker, *worker.children(recursive=True))]
        return sum(time.user + time.system for time in times)


def _environment(threads: int, python: Path) -> dict[str, str]:
    """vLLM's own settings for CPUs, which it makes for workers that it starts itself; here it runs in one process."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    libraries = [
        str(path)
        for name in ("libtcmalloc_minimal*.so*", "libiomp5.so")
        for path in sorted(_root(python).rglob(name))[:1]
    ]
    cores = sorted(os.sched_getaffinity(0))
    bound = {"KMP_AFFINITY": f"granularity=fine,explicit,proclist=[{','.join(map(str, cores[:threads]))}]"}
    return {
        **own,
        **(bound if threads <= len(cores) else {}),
        "KMP_BLOCKTIME": "5",
        "KMP_TPAUSE": "0",
        "OMP_NUM_THREADS": str(threads),
        "LD_PRELOAD": ":".join(libraries),
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _root(python: Path) -> Path:
    return python.absolute().parent.parent / "lib"


def _require_room(arm: Arm, asked: Mapping[str, Any]) -> None:
    """Refuse an engine for which memory does not suffice, before it makes the machine swap."""
    folders = [Path(asked["model"]), *([Path(asked["drafter"])] if asked["drafter"] else [])]
    weights = sum(file.stat().st_size for folder in folders for file in folder.glob("*.safetensors"))
    free = psutil.virtual_memory().available
    if weights + _BESIDE_WEIGHTS > free:
        raise DraftlabError(
            f"{arm.name} needs about {(weights + _BESIDE_WEIGHTS) / 2**30:.1f} GiB, and {free / 2**30:.1f} are free",
            "Measure it in a run of its own: --arms fast," + arm.name,
        )
