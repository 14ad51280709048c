"""Clocks for work that runs on a device, and what the device itself can do."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

_WARM = 3


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], undo: Callable[[], object], device: torch.device, times: int) -> float:
    """The median time of `work`, from an idle device to an idle device; `undo` makes it possible once more."""
    found = []
    for number in range(_WARM + times):
        synchronize(device)
        start = perf_counter()
        work()
        synchronize(device)
        if number >= _WARM:
            found.append(perf_counter() - start)
        undo()
    return median(found)


def busy_seconds(work: Callable[[], object], device: torch.device) -> float | None:
    """How long at least one kernel or copy ran during `work`; None where no device can be watched.

    A pair of CUDA events would count the gaps between kernels as well, which are what is looked for.
    """
    if device.type != "cuda":
        return None
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        work()
        synchronize(device)
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in watched.events() or []
        if event.device_type == DeviceType.CUDA
    )
    busy = end = 0.0
    for begin, close in spans:
        busy += max(0.0, close - max(begin, end))
        end = max(end, close)
    return busy / 1e6 if spans else None


def bandwidth(device: torch.device, num_bytes: int) -> float:
    """Bytes a second from the device's memory: the better of a copy, which also writes, and a matrix times a vector."""
    side = int((num_bytes / 2) ** 0.5)
    matrix = torch.ones(side, side, dtype=torch.bfloat16, device=device)
    vector = torch.ones(side, dtype=torch.bfloat16, device=device)
    other, size = torch.empty_like(matrix), matrix.numel() * matrix.element_size()
    copied = seconds(lambda: other.copy_(matrix), lambda: None, device, 20)
    read = seconds(lambda: matrix @ vector, lambda: None, device, 20)
    return max(2 * size / copied, size / read)


def driver() -> str:
    """The version of the NVIDIA driver."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.splitlines()[0].strip() if said.strip() else "unknown"
