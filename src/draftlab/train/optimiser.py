"""Muon (Jordan et al. 2024) for matrices, AdamW for the rest; a constant rate, then a falling one."""

from __future__ import annotations

from time import monotonic

import torch
from torch import Tensor, nn

_MATRICES, _VECTORS = 0.008, 0.0024  # learning rates
_CONSTANT, _LEAST = 0.3, 0.02  # of the training; of the rate


class Optimiser:
    """Both, as one."""

    def __init__(self, network: nn.Module, rate: float = 1.0) -> None:
        self._rate = rate
        self._named = {name: p for name, p in network.named_parameters() if p.requires_grad}
        matrices = [p for p in self._named.values() if p.ndim == 2]
        vectors = [p for p in self._named.values() if p.ndim != 2]
        self._matrices = torch.optim.Muon(
            matrices, lr=rate * _MATRICES, weight_decay=0.0, momentum=0.95, adjust_lr_fn="match_rms_adamw"
        )
        self._vectors = torch.optim.AdamW(vectors, lr=rate * _VECTORS, weight_decay=0.0)

    def set_rate(self, share: float) -> None:
        """By how much of the training is done."""
        fall = min(1.0, (1.0 - share) / (1.0 - _CONSTANT))
        factor = self._rate * (_LEAST + (1.0 - _LEAST) * fall)
        self._matrices.param_groups[0]["lr"] = factor * _MATRICES
        self._vectors.param_groups[0]["lr"] = factor * _VECTORS

    def step(self) -> None:
        """Follow the gradients and forget them."""
        for each in (self._matrices, self._vectors):
            each.step()  # type: ignore[no-untyped-call]
            each.zero_grad(set_to_none=True)

    def tensors(self) -> dict[str, Tensor]:
        """Its memory, by name."""
        found = {}
        for optimiser in (self._matrices, self._vectors):
            for name, parameter in self._named.items():
                for key, value in optimiser.state.get(parameter, {}).items():
                    found[f"{name}|{key}"] = torch.as_tensor(value)
        return found

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Remember what `tensors` said."""
        for full, value in tensors.items():
            name, _, key = full.partition("|")
            parameter = self._named[name]
            optimiser = self._matrices if parameter.ndim == 2 else self._vectors
            optimiser.state[parameter][key] = value.clone()

    def seconds_of_a_step(self) -> float:
        """What one step takes here, tried on a copy of the parameters."""
        copies = nn.ParameterDict({name.replace(".", "_"): p.detach().clone() for name, p in self._named.items()})
        trial = Optimiser(copies)
        taken = []
        for _ in range(2):
            for parameter in copies.values():
                parameter.grad = torch.ones_like(parameter)
            start = monotonic()
            trial.step()
            taken.append(monotonic() - start)
        return taken[-1]
