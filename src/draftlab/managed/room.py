"""Does memory hold both servers, one of them, or none?"""

from __future__ import annotations

from pathlib import Path

import psutil

from draftlab.errors import DraftlabError
from draftlab.export.plan import Assistant, Head, Plan
from draftlab.managed.gpu import has_gpu
from draftlab.managed.process import Report
from draftlab.spec import Experiment

_BESIDE = 3 * 2**30
"""What a server takes beside its weights: a cache of 1 GiB, and the program with what it compiles."""
_GIB = 2**30


def take_turns(experiment: Experiment, plan: Plan, say: Report) -> bool:
    """Whether only one server is to be up at a time: where that was asked for, or memory does not hold both.

    What is on a hub is not known here and is let through. Where there is a GPU the machine's memory says nothing, and
    one server may take most of the GPU's.
    """
    if has_gpu():
        if experiment.servers is None:
            say("there is a GPU, and one server may take most of its memory: they are started in turn")
        return experiment.servers != "together"
    target = _size(Path(plan.target.name))
    drafter = _size(Path(plan.drafter.model.name)) if isinstance(plan.drafter, Assistant | Head) else 0
    one, both = target + drafter + _BESIDE, 2 * target + drafter + 2 * _BESIDE
    free = psutil.virtual_memory().available
    is_known = bool(target)
    if is_known and one > free:
        raise DraftlabError(
            f"a server of {experiment.engine} needs about {one / _GIB:.1f} GiB, and {free / _GIB:.1f} are free",
            "Measure on a larger machine.",
        )
    holds_both = both <= free or not is_known
    if experiment.servers == "together" and not holds_both:
        raise DraftlabError(
            f"two servers of {experiment.engine} need about {both / _GIB:.1f} GiB, and {free / _GIB:.1f} are free",
            "Use --servers in-turn.",
        )
    if experiment.servers == "in-turn":
        return True
    if not holds_both:
        say(
            f"two servers of {experiment.engine} need about {both / _GIB:.1f} GiB, and {free / _GIB:.1f} are free: "
            "one is up at a time, and they are started in turn for blocks of prompts"
        )
    return not holds_both


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.glob("*.safetensors")) if path.is_dir() else 0
