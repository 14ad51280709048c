"""Keys and values of the head's one layer, which can be taken back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_LEAST = 256  # tokens


class Memory:
    """Grows in place. Called by transformers' attention as if it were one of its caches."""

    def __init__(self) -> None:
        self.length = 0
        self._keys = torch.empty(0)
        self._values = torch.empty(0)

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append [1, heads, tokens, dim] each; return all that are held."""
        end = self.length + keys.shape[-2]
        if self._keys.ndim != keys.ndim or end > self._keys.shape[-2]:
            self._grow(keys, values, max(_LEAST, 2 * end))
        self._keys[..., self.length : end, :] = keys
        self._values[..., self.length : end, :] = values
        self.length = end
        return self._keys[..., :end, :], self._values[..., :end, :]

    def shorten(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self.length = min(self.length, length)

    def _grow(self, keys: Tensor, values: Tensor, room: int) -> None:
        old = self._keys, self._values
        self._keys, self._values = (new.new_empty((*new.shape[:-2], room, new.shape[-1])) for new in (keys, values))
        if self.length:
            self._keys[..., : self.length, :] = old[0][..., : self.length, :]
            self._values[..., : self.length, :] = old[1][..., : self.length, :]
