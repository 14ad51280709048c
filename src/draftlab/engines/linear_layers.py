"""The linear layers of a network: where they stand, and other layers in their place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.pytorch_utils import Conv1D

LINEAR = (torch.nn.Linear, Conv1D)
"""The types that do nothing but multiply, as checkpoints are loaded with them."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One place of a linear layer; `layer` is what stood there when it was found."""

    parent: torch.nn.Module
    name: str
    layer: Any
    shared: bool
    """Whether something else uses the same weight: the embedding, where it is tied to the head."""

    @property
    def num_weights(self) -> int:
        own = self.layer._parameters.get("weight")  # a packed layer has none, and unpacking takes long
        return int(self.layer.in_features * self.layer.out_features if own is None else own.numel())

    def put(self, layer: torch.nn.Module) -> None:
        setattr(self.parent, self.name, layer)

    @property
    def weight(self) -> Tensor:
        """[out, in]."""
        weight: Tensor = self.layer.weight.detach()
        return weight.T.contiguous() if type(self.layer) is Conv1D else weight

    @property
    def bias(self) -> Any:
        return self.layer.bias

    def drop_weight(self) -> None:
        """Free the weight, unless something else needs it."""
        if not self.shared:
            self.layer.weight.data = self.layer.weight.new_empty(0)

    def restore(self, weight: Tensor) -> None:
        """The first layer again, with `weight` [out, in] back in it."""
        if not self.shared:
            own = weight.T.contiguous() if type(self.layer) is Conv1D else weight
            self.layer.weight.data = own
        self.put(self.layer)


def find_linear_layers(network: Any, types: tuple[type[torch.nn.Module], ...] = LINEAR) -> list[Site]:
    """Every layer of `types`, wherever it stands.

    The types have to be exact: a subclass may do anything, and so may a hook.
    """
    uses = Counter(id(parameter) for _, parameter in network.named_parameters(remove_duplicate=False))
    sites = []
    for parent in network.modules():
        for name, layer in parent._modules.items():
            if type(layer) in types and not _is_hooked(layer):
                sites.append(Site(parent, name, layer, uses[id(layer._parameters.get("weight"))] > 1))
    return sites


def _is_hooked(layer: torch.nn.Module) -> bool:
    return bool(layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer))
