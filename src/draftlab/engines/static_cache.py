"""Passes over a cache of one length, whose entries never move and which a mask shows as far as it is filled.

Two ways of driving a network stand on it: passes of one shape, which round alike (`fixed_shape`), and passes that a GPU
launches as a whole (`captured`). Nothing in a pass depends on a number that the host knows: where the text ends is a
tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, StaticLayer

from draftlab.engines.network import HuggingFaceNetwork
from draftlab.errors import ContractError


class StaticNetwork(HuggingFaceNetwork):
    """A network over a static cache of `capacity` tokens; rolling back only moves the place of the next pass."""

    def __init__(self, network: Any, name: str) -> None:
        super().__init__(network, name)
        self._capacity = 0
        self._layers: list[StaticLayer] = []
        self._cache = Cache(layers=[])

    def rollback(self, length: int) -> None:
        if not 0 <= length <= self._length:
            raise ContractError(f"cannot roll back to {length} tokens: {self._length} are cached")
        self._length = length  # the entries behind it are masked, and overwritten by the next pass

    def _allocate(self, capacity: int) -> None:
        """An empty cache of `capacity` tokens."""
        # Full layers for sliding windows, too: the mask does the sliding, and any length can be rolled back to.
        num_layers = self._network.config.get_text_config(decoder=True).num_hidden_layers
        self._capacity = capacity
        self._layers = [StaticLayer(max_cache_len=capacity) for _ in range(num_layers)]
        self._cache = Cache(layers=[*self._layers])

    def _enlarge(self, capacity: int) -> None:
        """A cache of `capacity` tokens that holds what is cached now."""
        old = self._layers
        self._allocate(capacity)
        for new, layer in zip(self._layers, old, strict=False):
            if layer.is_initialized:
                assert layer.keys is not None and layer.values is not None
                new.lazy_initialization(layer.keys, layer.values)
                assert new.keys is not None and new.values is not None
                new.keys[:, :, : self._length] = layer.keys[:, :, : self._length]
                new.values[:, :, : self._length] = layer.values[:, :, : self._length]

    def _run(self, start: Tensor, ids: Tensor, num_logits: int) -> Tensor:
        """Pass `ids` [n] at the places from `start` [] on; the logits [num_logits, vocab] of the last of them."""
        last = (self.context_length or self._capacity) - 1  # a dummy may stand where the model has no position
        places = (start + torch.arange(len(ids), device=ids.device)).clamp(max=last)
        for layer in self._layers:
            layer.cumulative_length.copy_(start)
        out = self._network(
            input_ids=ids[None],
            position_ids=places[None],
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=num_logits,
        )
        logits: Tensor = out.logits[0]
        return logits
