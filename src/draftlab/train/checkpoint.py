"""How far learning has come, in one file that is replaced at once or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from draftlab.train.held_out import Point
from draftlab.train.optimiser import Optimiser
from draftlab.train.student import Student
from draftlab.train.tensor_files import whole

_MEMORY = "optimiser|"


class Checkpoint:
    """Weights, the optimiser's memory, the number of the step, the curve and the losses since its last point."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, student: Student, optimiser: Optimiser, step: int, curve: list[Point], losses: list[float]) -> None:
        tensors = {**student.tensors(), **{f"{_MEMORY}{name}": t for name, t in optimiser.tensors().items()}}
        facts = {"step": str(step), "curve": json.dumps([point.model_dump() for point in curve])}
        facts["losses"] = json.dumps(losses)
        part = self.path.with_suffix(".part")
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, part, facts)
        part.rename(self.path)

    @torch.no_grad()
    def load(self, student: Student, optimiser: Optimiser) -> tuple[int, list[Point], list[float]]:
        """Put everything back as it was; (0, [], []) where nothing was saved."""
        if not self.path.is_file():
            return 0, [], []
        with whole(self.path), safe_open(self.path, framework="pt") as file:
            facts = file.metadata()
            names = list(file.keys())
            for name, parameter in student.tensors().items():
                parameter.copy_(file.get_tensor(name))
            device = student.head.device
            memory = {name.removeprefix(_MEMORY): file.get_tensor(name) for name in names if name.startswith(_MEMORY)}
            optimiser.load({n: t if n.endswith("|step") else t.to(device) for n, t in memory.items()})
        curve = [Point.model_validate(point) for point in json.loads(facts["curve"])]
        return int(facts["step"]), curve, json.loads(facts["losses"])
