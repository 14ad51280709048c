"""Where cells run on this machine: one at a time on each GPU, or on a share of the processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from draftlab.errors import DraftlabError
from draftlab.spec import Experiment

_SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@dataclass(frozen=True)
class Slot:
    """Where one cell at a time runs."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    cores: tuple[int, ...] = ()


def gpus_per_cell(experiment: Experiment) -> int | None:
    """How many GPUs a cell needs, by the settings that all cells share; None: all that there are."""
    if experiment.device.startswith("cuda:"):
        raise DraftlabError(
            f"a sweep cannot have the device {experiment.device}: each worker sees one GPU",
            "Leave it out, and choose GPUs with CUDA_VISIBLE_DEVICES.",
        )
    if experiment.device == "cpu":
        return 0
    return None if experiment.device == "spread" else experiment.tensor_parallel or 1


def slots_here(asked: int | None, experiment: Experiment) -> list[Slot]:
    """One for each GPU, or for each group that a cell needs; without GPUs one in all, or as many as are asked for."""
    each = gpus_per_cell(experiment)
    gpus = [] if each == 0 else _gpus()
    return _on_gpus(gpus, each or len(gpus), asked) if gpus else _on_processors(asked)


def _gpus() -> list[str]:
    """What torch sees, as CUDA_VISIBLE_DEVICES names it."""
    import torch

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return (visible or [str(gpu) for gpu in range(torch.cuda.device_count())])[: torch.cuda.device_count()]


def _on_gpus(gpus: Sequence[str], each: int, asked: int | None) -> list[Slot]:
    number = len(gpus) // each
    if not number:
        raise DraftlabError(f"a cell needs {each} GPUs, and there are {len(gpus)}", "Split the target over fewer.")
    if asked is not None and asked > number:
        raise DraftlabError(
            f"--workers {asked} is more than the {len(gpus)} GPUs here have room for, with {each} for each: two cells "
            "on one would slow each other down",
            "Leave it out for as many as there is room for.",
        )
    groups = [",".join(gpus[i * each : (i + 1) * each]) for i in range(asked or number)]
    return [Slot(f"GPU {group}", {"CUDA_VISIBLE_DEVICES": group}) for group in groups]


def _on_processors(asked: int | None) -> list[Slot]:
    if asked in (None, 1):
        return [Slot("worker 1")]
    cores = _physical()
    if asked > len(cores):
        raise DraftlabError(
            f"--workers {asked} is more than the {len(cores)} cores here", "Leave it out for one worker."
        )
    each = len(cores) // asked
    shares = [tuple(sorted(sum(cores[i * each : (i + 1) * each], ()))) for i in range(asked)]
    return [Slot(f"worker {i}", {"OMP_NUM_THREADS": str(each)}, share) for i, share in enumerate(shares, 1)]


def _physical() -> list[tuple[int, ...]]:
    """The processors that this process may use, those of one core together."""
    here = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    groups = {tuple(sorted(_siblings(core) & here)) for core in here}
    return sorted(groups)


def _siblings(core: int) -> set[int]:
    try:
        text = Path(_SIBLINGS.format(core)).read_text().strip()
    except OSError:
        return {core}
    found: set[int] = {core}
    for part in text.split(","):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
