"""A cache that grows without copying itself in every pass.

transformers' own layers put the new entries behind the old ones with `torch.cat`, which copies the whole cache for
every token. Here the entries are written into a buffer that has room, and a view of its filled part is given out. Where
the room ends it is doubled, so that a text of any length is copied at most once over. Taking tokens back narrows the
view.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_LEAST = 256  # tokens


class GrowingLayer(DynamicLayer):
    """Keys and values [batch, heads, length, dim] of one layer: views of buffers that are longer."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.room = _LEAST
        """How many tokens the next buffers will hold, at least."""
        self._key_buffer = torch.empty(0)
        self._value_buffer = torch.empty(0)

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.dtype, self.device = key_states.dtype, key_states.device
        self._key_buffer = _empty_like(key_states, self.room)
        self._value_buffer = _empty_like(value_states, self.room)
        self._show(0)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if end > self._key_buffer.shape[-2]:
            self._grow(start, end)
        self._key_buffer[..., start:end, :] = key_states
        self._value_buffer[..., start:end, :] = value_states
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Go on with some of the texts."""
        if self.is_initialized:
            length = self.get_seq_length()
            self._key_buffer = _chosen(self._key_buffer, indices, length)
            self._value_buffer = _chosen(self._value_buffer, indices, length)
            self._show(length)

    def forget(self, room: int) -> None:
        """No token is cached any more; the buffers stay for the next text, which will have `room` tokens at most."""
        self.room = max(room, _LEAST)
        if self.is_initialized:
            self._show(0)

    def _grow(self, length: int, needed: int) -> None:
        room = max(needed, self.room, 2 * self._key_buffer.shape[-2])
        keys, values = self._key_buffer, self._value_buffer
        self._key_buffer, self._value_buffer = _empty_like(keys, room), _empty_like(values, room)
        self._key_buffer[..., :length, :] = keys[..., :length, :]
        self._value_buffer[..., :length, :] = values[..., :length, :]

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        keys, values = self._key_buffer[..., :length, :], self._value_buffer[..., :length, :]
        self.keys, self.values = keys, values
        return keys, values


def growing_cache(config: Any, room: int | None, last: DynamicCache | None = None) -> DynamicCache:
    """An empty cache for the network of `config` with `room` for a text; buffers of the `last` one are used again.

    Layers of other kinds, such as sliding windows, are the library's own: they stay short by themselves.
    """
    cache = DynamicCache(config=config)
    for index, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer:
            old = last.layers[index] if last is not None else None
            grown = old if isinstance(old, GrowingLayer) else GrowingLayer()
            grown.forget(room or 0)
            cache.layers[index] = grown
    return cache


def _empty_like(states: Tensor, room: int) -> Tensor:
    batch, heads, _, width = states.shape
    return states.new_empty((batch, heads, room, width))


def _chosen(buffer: Tensor, indices: Tensor, length: int) -> Tensor:
    """Some texts of `buffer` with as much room; what is not filled is not copied."""
    new = buffer.new_empty((len(indices), *buffer.shape[1:]))
    new[..., :length, :] = buffer[..., :length, :][indices]
    return new
