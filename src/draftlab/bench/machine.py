"""What else the machine is doing: counters that are read at the beginning and the end of a process's decoding."""

from __future__ import annotations

from pathlib import Path
from time import time_ns
from typing import Literal

import psutil

from draftlab.records import MachineSample

_NS = 10**9
_IDLE = ("idle", "iowait")
_COUNTED_TWICE = ("guest", "guest_nice")  # psutil: user and nice contain them
_THROTTLES = "devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"


def sample_machine(moment: Literal["begin", "end"]) -> MachineSample:
    """The counters as they stand; those that this system does not have are None."""
    times = psutil.cpu_times()._asdict()
    idle = sum(times.get(name, 0.0) for name in _IDLE)
    busy = sum(seconds for name, seconds in times.items() if name not in (*_IDLE, *_COUNTED_TWICE))
    swapped = _swapped()
    return MachineSample(
        moment=moment,
        time_ns=time_ns(),
        busy_ns=round(busy * _NS),
        idle_ns=round(idle * _NS),
        own_ns=round(_own_seconds() * _NS),
        swapped_in_bytes=swapped[0] if swapped else None,
        swapped_out_bytes=swapped[1] if swapped else None,
        throttled=_throttled(Path("/sys")),
        clock_hz=_clock(),
    )


def _own_seconds() -> float:
    """What this process has used, and those that it has started: the parts of a split target, a server."""
    own = psutil.Process()
    seconds = sum(own.cpu_times()[:4])  # of ended children, too
    for child in own.children(recursive=True):
        try:
            seconds += sum(child.cpu_times()[:4])
        except psutil.Error:  # it has just ended
            continue
    return float(seconds)


def _swapped() -> tuple[int, int] | None:
    try:
        memory = psutil.swap_memory()
    except (OSError, RuntimeError):  # a container may hide the counters
        return None
    return memory.sin, memory.sout


def _throttled(system: Path) -> int | None:
    """How often cores were slowed down because they were too hot, which Linux counts on some processors."""
    counts = []
    for path in system.glob(_THROTTLES):
        try:
            counts.append(int(path.read_text()))
        except (OSError, ValueError):
            continue
    return sum(counts) if counts else None


def _clock() -> int | None:
    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError, AttributeError):
        return None
    return round(clock.current * 1e6) if clock is not None else None
