"""What a training run leaves: an EAGLE-3 checkpoint, where it came from, and a card for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from draftlab.bench.environment import describe_environment
from draftlab.train.held_out import Point
from draftlab.train.settings import TrainSettings
from draftlab.train.student import Student

PROVENANCE = "provenance.json"


def write_checkpoint(student: Student, folder: Path) -> int:
    """config.json and model.safetensors, in bfloat16 and without what the target holds; the bytes of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to("cpu", torch.bfloat16).contiguous() for name, tensor in student.tensors().items()}
    tensors["d2t"] = student.target_ids - torch.arange(len(student.target_ids))
    part = folder / "model.part"
    save_file(tensors, part, {"format": "pt"})
    path = folder / "model.safetensors"
    part.rename(path)
    (folder / "config.json").write_text(json.dumps(dict(student.config), indent=1) + "\n", encoding="utf-8")
    return path.stat().st_size


def write_provenance(folder: Path, settings: TrainSettings, data: Mapping[str, Any], curve: Sequence[Point]) -> None:
    """How it came about, for machines and for people."""
    found = {
        "command": ["draftlab", *sys.argv[1:]],
        "settings": settings.model_dump(mode="json"),
        "data": dict(data),
        "environment": describe_environment(),
        "curve": [point.model_dump() for point in curve],
    }
    (folder / "README.md").write_text(_card(settings, data, curve), encoding="utf-8")
    (folder / PROVENANCE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")  # last: it says "done"


def _card(settings: TrainSettings, data: Mapping[str, Any], curve: Sequence[Point]) -> str:
    last = curve[-1]
    rows = "\n".join(
        f"| {point.step} | {point.loss:.3f} | {' '.join(f'{rate:.2f}' for rate in point.accepted)} |" for point in curve
    )
    positions = len(last.accepted)
    overlap = data["overlap"]
    return f"""# A drafter for {settings.target}

An EAGLE-3 head (Li et al. 2025, arXiv 2503.01840) of one layer, for speculative decoding of `{settings.target}` and of
nothing else. Made by `draftlab train`; `{PROVENANCE}` has the command, the versions and the fingerprint of the data.

    draftlab bench --target {settings.target} --drafter eagle:THIS_FOLDER --gamma {last.gamma}

- It learned from {data["written_tokens"]:,} tokens that the target wrote or read ({data["texts"]:,} texts; held out:
  {data["held_out_texts"]:,}), with the loss `{settings.loss}`, up to {settings.steps_ahead} steps ahead.
- Its head has {data["draft_vocab"]:,} tokens; it can propose no others. Their rows are the target's and are gathered
  from it when the drafter is loaded. vLLM needs them in the file: `draftlab complete-head` writes a copy that has them.
- Licence of the target, which wrote the texts: {data.get("licence") or "not told by its files"}.
- Windows of {overlap["window"]} tokens that these texts share with prompts of the suites
  {", ".join(overlap["suites"])}: {overlap["shared_windows"]}.
- It drafts worse on texts that are unlike those that it learned from. It can never make a text wrong.

Greedy acceptance on held-out texts, at positions 1 to {positions} of a draft, of those drafts that came so far:

| step | loss | acceptance by position |
| ---: | ---: | :--- |
{rows}
"""
