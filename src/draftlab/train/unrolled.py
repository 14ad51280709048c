"""Running ahead while learning: at every place of a text at once, on the head's own outputs (EAGLE-3, section 3.2).

At step s the chain that starts at place i reads the token at i + 1 + s and predicts the one after it. It attends to
what it would in a draft: the places of the target up to i, and its own steps since. The layer is that of the drafter;
only the cache and the mask are others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from draftlab.drafters.eagle.network import EagleNetwork


class Steps:
    """Keys and values of all steps, one behind the other. Called by transformers' attention as if it were a cache."""

    def __init__(self) -> None:
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Append [texts, heads, places, dim]; return all steps' in a row."""
        self._keys.append(keys)
        self._values.append(values)
        return torch.cat(self._keys, dim=-2), torch.cat(self._values, dim=-2)


def mask_of(places: int, step: int) -> Tensor:
    """[1, 1, places, (step + 1) * places]: the first step's places up to one's own, and of later steps one's own."""
    causal = torch.ones(places, places, dtype=torch.bool).tril()
    own = torch.eye(places, dtype=torch.bool)
    return torch.cat([causal, *[own] * step], dim=-1)[None, None]


def run_ahead(network: EagleNetwork, tokens: Tensor, features: Tensor, num_steps: int) -> Iterator[Tensor]:
    """tokens [texts, length], features [texts, length - 1, ...] -> of each step, [texts, length - 1, width], normed.

    What stands at the last `step` places of a step has no token to read and means nothing.
    """
    hidden = network.fuse(features)
    places = hidden.shape[1]
    steps: Any = Steps()
    rows = network.embedding  # of a target on several devices they may be on another one
    behind = torch.nn.functional.pad(tokens, (0, num_steps)).to(rows.device)
    for step in range(num_steps):
        embedded = rows[behind[:, step + 1 : step + 1 + places]].to(hidden)
        angles = network.rotary(hidden, (torch.arange(places, device=hidden.device) + step)[None])
        mask = mask_of(places, step).to(hidden.device)
        out = network.midlayer(embedded, hidden, angles, mask, steps)
        hidden = network.following(out)
        yield network.norm(out)
