"""Where a model goes and whether it fits, decided before its weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from draftlab.errors import DraftlabError, UnsupportedError

_GIB = 2**30
_HEADROOM = 1.05  # activations and the cache need some room beside the weights


@dataclass(frozen=True, slots=True)
class Placement:
    """A device; or `spread` over all devices by accelerate, layer by layer; or `split`, each layer into parts."""

    device: torch.device
    spread: bool = False
    split: bool = False


def choose_dtype(asked: str, config: Any, is_gguf: bool) -> torch.dtype:
    """`auto` is the checkpoint's own; a quantised GGUF file has none and becomes bfloat16."""
    if asked != "auto":
        dtype = getattr(torch, asked)
    elif is_gguf:
        dtype = torch.bfloat16
    else:
        dtype = getattr(config, "dtype", None) or torch.float32
    return dtype if isinstance(dtype, torch.dtype) else getattr(torch, str(dtype))


def choose_device(asked: str) -> torch.device:
    """The device asked for, or the best that is here."""
    if asked == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if asked == "spread":
        if not torch.cuda.is_available():
            raise UnsupportedError("there is no GPU to spread over: torch finds none here", "Use --device auto or cpu.")
        return torch.device("cuda")
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise DraftlabError(
            f"there is no device called '{asked}'", "Use auto, cpu, cuda, cuda:1, mps or spread."
        ) from error
    missing = device.type == "cuda" and not torch.cuda.is_available()
    missing = missing or (device.type == "mps" and not torch.backends.mps.is_available())
    if missing or device.type not in ("cpu", "cuda", "mps"):
        raise UnsupportedError(f"torch finds no {device.type} device here", "Use --device auto or cpu.")
    return device


def place(name: str, num_bytes: int, asked: str, parts: int = 1) -> Placement:
    """One device if the weights fit there, else all of them; raise if they fit nowhere.

    In several `parts` this process has the first of them.
    """
    device = choose_device(asked)
    if parts > 1:
        return _place_parts(name, num_bytes, device, parts)
    free = free_memory(device)
    if device.type != "cuda":
        _require_room(name, num_bytes, free)
        return Placement(device)
    if asked != "spread" and fits(num_bytes, free):
        return Placement(device)
    if asked not in ("auto", "spread"):
        _require_room(name, num_bytes, free)
    _require_room(name, num_bytes, free_everywhere())
    return Placement(device, spread=True)


def _place_parts(name: str, num_bytes: int, device: torch.device, parts: int) -> Placement:
    if device.type == "mps":
        raise UnsupportedError("tensor parallelism does not run on mps", "Leave out --tensor-parallel.")
    if device.type != "cuda":
        _require_room(name, num_bytes, free_memory(device))
        return part_of_process()
    if parts > torch.cuda.device_count():
        raise UnsupportedError(
            f"'{name}' cannot be split over {parts} GPUs: torch finds {torch.cuda.device_count()} here",
            "Give --tensor-parallel a smaller number.",
        )
    gpus = [torch.device("cuda", i) for i in range(parts)]
    _require_room(name, num_bytes, parts * min(map(free_memory, gpus)))  # the fullest of them decides
    return part_of_process()


def part_of_process() -> Placement:
    """Where this process keeps its part of a split network."""
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    return Placement(device, split=True)


def free_memory(device: torch.device) -> int:
    """The bytes that are free where `device` keeps its tensors."""
    import psutil

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    return int(psutil.virtual_memory().available)


def free_everywhere() -> int:
    """The bytes that are free on all GPUs and in the machine's memory together."""
    gpus = [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    return sum(map(free_memory, [torch.device("cpu"), *gpus]))


def fits(num_bytes: int, available: int) -> bool:
    """Whether `num_bytes` fit, with some room for what a pass needs beside them."""
    return num_bytes * _HEADROOM <= available


def _require_room(name: str, num_bytes: int, available: int) -> None:
    if not fits(num_bytes, available):
        raise DraftlabError(
            f"not enough memory for '{name}': its weights need about {num_bytes / _GIB:.1f} GiB, "
            f"{available / _GIB:.1f} GiB are available",
            "Use --dtype bfloat16, a smaller model, or a larger machine.",
        )
