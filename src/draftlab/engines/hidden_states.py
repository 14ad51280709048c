"""Hidden states of the tokens that a network passes over, kept until a drafter takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from draftlab.errors import ContractError, UnsupportedError


class FeatureBuffer:
    """What was passed and not yet taken. Only that is held: a drafter needs each hidden state once."""

    def __init__(self, layers: Sequence[int], num_layers: int, hidden_size: int) -> None:
        unknown = [layer for layer in layers if not 0 <= layer <= num_layers]
        if unknown:
            raise UnsupportedError(
                f"there are no hidden states after {unknown[0]} layers: the target has {num_layers}",
                "Use a drafter that was made for this target.",
            )
        self.layers = layers
        self._empty = torch.empty(0, len(layers) * hidden_size)
        self._taken = 0  # tokens
        self._parts: list[list[Tensor]] = []  # [layers] of [tokens, width], pass by pass

    @property
    def num_waiting(self) -> int:
        return sum(len(part[0]) for part in self._parts)

    def add(self, states: Sequence[Tensor]) -> None:
        """Of the next tokens, one [tokens, width] a layer."""
        self._parts.append(list(states))

    def shorten(self, length: int) -> None:
        """Keep the first `length` tokens of the text."""
        if length < self._taken:
            raise ContractError(f"cannot roll back to {length} tokens: the features of {self._taken} were taken")
        while self._parts and (extra := self._taken + self.num_waiting - length) > 0:
            last = self._parts.pop()
            if extra < len(last[0]):
                self._parts.append([states[: len(states) - extra] for states in last])

    def take(self) -> Tensor:
        if not self._parts:
            return self._empty
        device = self._parts[0][0].device  # layers may be spread over several
        rows = [torch.cat([states.to(device) for states in part], dim=-1) for part in self._parts]
        self._taken += self.num_waiting
        self._parts.clear()
        return torch.cat(rows)


class NetworkTap(FeatureBuffer):
    """Hooks on the decoder layers of a Hugging Face network; they are there only until `close`."""

    def __init__(self, network: Any, layers: Sequence[int]) -> None:
        found = decoder_layers(network)
        super().__init__(layers, len(found), network.config.get_text_config(decoder=True).hidden_size)
        self._caught: dict[int, Tensor] = {}
        self._hooks = [self._hook(found, layer) for layer in layers]

    def passed(self, num_tokens: int) -> None:
        """The network has passed over so many tokens; rows after them stood for none."""
        self.add([self._caught.pop(layer)[0, :num_tokens] for layer in self.layers])

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hook(self, found: Sequence[torch.nn.Module], layer: int) -> Any:
        def before(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._caught[layer] = args[0] if args else kwargs["hidden_states"]

        def after(_: torch.nn.Module, args: tuple[Any, ...], out: Any) -> None:
            self._caught[layer] = out[0] if isinstance(out, tuple) else out

        if layer == 0:
            return found[0].register_forward_pre_hook(before, with_kwargs=True)
        return found[layer - 1].register_forward_hook(after)


def layer_stack(network: Any) -> tuple[torch.nn.Module, str]:
    """The module that holds the layers, with all that stands before and after them, and what it calls them."""
    first = decoder_layers(network)[0]
    for module in network.base_model.modules():
        for name, child in module.named_children():
            if isinstance(child, torch.nn.ModuleList) and len(child) and child[0] is first:
                return module, name
    raise UnsupportedError(
        f"cannot tell what holds the layers of {type(network).__name__}", "Use a drafter without hidden states."
    )


def decoder_layers(network: Any) -> list[torch.nn.Module]:
    """The layers of a causal language model, first to last, wherever its family keeps them."""
    num = network.config.get_text_config(decoder=True).num_hidden_layers
    for module in network.base_model.modules():
        # Lists within a layer (experts) may be as long; this walk meets the outer one first.
        if isinstance(module, torch.nn.ModuleList) and len(module) == num:
            return list(module)
    raise UnsupportedError(
        f"cannot tell where {type(network).__name__} keeps its {num} layers", "Use a drafter without hidden states."
    )
