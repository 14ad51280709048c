"""What a training run leaves beside the weights: where they came from, a card for people, and the licence."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from draftlab.bench.environment import describe_environment
from draftlab.engines.checkpoint import hash_files, weight_files
from draftlab.engines.licence import licence_files
from draftlab.models import resolve
from draftlab.train.card import PROVENANCE, card
from draftlab.train.held_out import Point
from draftlab.train.settings import TrainSettings


def this_command() -> tuple[str, ...]:
    """As it was typed."""
    return ("draftlab", *sys.argv[1:])


def write_provenance(
    folder: Path,
    settings: TrainSettings,
    data: Mapping[str, Any],
    curve: Sequence[Point],
    command: Sequence[str] = (),
) -> None:
    """How it came about, for machines and for people, beside the weights; by `command`, which began it."""
    found = {
        "command": list(command or this_command()),
        "settings": settings.model_dump(mode="json"),
        "data": dict(data),
        "environment": describe_environment(),
        "weights": hash_files(weight_files(folder)),
        "curve": [point.model_dump() for point in curve],
    }
    for path in licence_files(resolve(settings.target)):
        shutil.copyfile(path, folder / path.name)
    (folder / "README.md").write_text(card(settings, data, curve), encoding="utf-8")
    (folder / PROVENANCE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")  # last: it says "done"
