"""The texts of a batch while a network writes them: of unlike length, and each with its own end.

Beginnings stand at the right end of their rows, so that all rows go on in the same pass; a mask hides what is left of
them. What comes out stands at the left: token i of a text at place i, zeros behind its end. Texts that have ended keep
their rows only until there are enough of them for a smaller batch to pay.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_WORTH_IT = 8  # one of so many rows is idle: dropping them copies the cache, which a few passes earn back


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts with what the network thought at each place but the last."""

    tokens: Tensor
    """[texts, length]"""
    features: Tensor
    """[texts, length - 1, layers * width]: what leaves each of the layers that were asked for."""
    final: Tensor
    """[texts, length - 1, width]: what its head reads."""
    ends: Tensor
    """[texts]: how many tokens each text has; nothing behind them means anything."""


class Texts:
    """All texts of a batch, on the host; `rows` of them are being written."""

    def __init__(self, prompts: Sequence[Sequence[int]], num: int, stop_tokens: Collection[int]) -> None:
        self.ends = torch.tensor([len(prompt) for prompt in prompts])
        self.rows = torch.arange(len(prompts))
        self._open = torch.ones(len(prompts), dtype=torch.bool)  # of the rows: whose text goes on
        self._given = self.ends.clone()
        self._longest = int(self.ends.max())
        self._stops = torch.tensor(sorted(stop_tokens), dtype=torch.long)
        self.tokens = torch.zeros(len(prompts), self._longest + num, dtype=torch.long)
        for row, prompt in zip(self.tokens, prompts, strict=True):
            row[: len(prompt)] = torch.tensor(prompt)
        self._states: list[Tensor] = []

    def beginnings(self) -> Tensor:
        """[rows, longest], each at the right end."""
        places = torch.arange(self._longest) - (self._longest - self._given)[:, None]
        return self.tokens.gather(1, places.clamp_min(0)).masked_fill(places < 0, 0)

    def where(self, done: int, device: torch.device) -> dict[str, Any]:
        """What the network has to know of the places of a pass after `done` new tokens; nothing where all are alike."""
        if bool((self._given == self._longest).all()):
            return {}
        given = self._given[self.rows]
        shifted = torch.arange(self._longest + done) - (self._longest - given)[:, None]
        positions = shifted[:, -1:] if done else shifted.clamp_min(0)
        return {"attention_mask": (shifted >= 0).long().to(device), "position_ids": positions.to(device)}

    def keep(self, *states: Tensor) -> None:
        """What the network thought in the pass that begins the rows, or in one of a token: [rows, places, width]s."""
        if not self._states:
            length = self.tokens.shape[1]
            self._states = [each.new_zeros(len(self.tokens), length, each.shape[-1]) for each in states]
            for into, found in zip(self._states, states, strict=True):
                for row, given in enumerate(self._given.tolist()):
                    into[row, :given] = found[row, self._longest - given :]
            return
        going = self.rows[self._open]
        for into, found in zip(self._states, states, strict=True):
            into[going, self.ends[going] - 1] = found[self._open, 0]

    def add(self, chosen: Tensor) -> None:
        """The next token [rows] of each; those of texts that have ended are ignored."""
        going, new = self.rows[self._open], chosen[self._open]
        self.tokens[going, self.ends[going]] = new
        self.ends[going] += 1
        self._open[self._open.clone()] = ~torch.isin(new, self._stops)

    @property
    def all_ended(self) -> bool:
        return not self._open.any()

    def drop_ended(self) -> Tensor | None:
        """Which rows remain, where it pays to go on without the others."""
        idle = len(self.rows) - int(self._open.sum())
        if idle * _WORTH_IT < len(self.rows):
            return None
        kept = self._open.nonzero()[:, 0]
        self.rows, self._open = self.rows[kept], self._open[kept]
        return kept

    def batch(self) -> Batch:
        length = int(self.ends.max())
        features, final = (states[:, : length - 1] for states in self._states)
        return Batch(self.tokens[:, :length], features, final, self.ends)
