"""The target's texts with its hidden states, on disk: one file a batch, complete or not there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from draftlab.train.tensor_files import whole

_AT_ONCE = 3  # shards in memory, whose texts are mixed


@dataclass(frozen=True, slots=True)
class Shard:
    """Texts, with zeros behind the shorter ones."""

    tokens: Tensor
    """[texts, length]"""
    features: Tensor
    """[texts, length - 1, layers * width]"""
    final: Tensor
    """[texts, length - 1, width]"""
    starts: Tensor
    """[texts]: from which token on the target has written it, greedily where it is held out."""
    ends: Tensor
    """[texts]: how many tokens there are before the text ended; 0 where nothing is to be learned from it."""
    firsts: Tensor
    """[texts]: from which token on it is learned from."""

    def __len__(self) -> int:
        return len(self.tokens)

    def rows(self, chosen: Sequence[int] | Tensor) -> Shard:
        """Some of the texts."""
        at = torch.as_tensor(chosen, dtype=torch.long)
        return Shard(*(getattr(self, name)[at] for name in Shard.__dataclass_fields__))


class Shards:
    """A folder of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def names(self, *, held_out: bool) -> list[Path]:
        """Complete files, in the order in which they were written."""
        return sorted(self.folder.glob("*-held.safetensors" if held_out else "*-train.safetensors"))

    def has(self, number: int) -> bool:
        """Whether the batch of that number is there."""
        return any(self._path(number, held_out).exists() for held_out in (True, False))

    def _path(self, number: int, held_out: bool) -> Path:
        return self.folder / f"{number:05}-{'held' if held_out else 'train'}.safetensors"

    def write(self, number: int, held_out: bool, shard: Shard) -> None:
        path = self._path(number, held_out)
        part = path.with_suffix(".part")
        tensors = {name: getattr(shard, name).contiguous() for name in Shard.__dataclass_fields__}
        save_file(tensors, part)
        part.rename(path)

    def read(self, path: Path) -> Shard:
        with whole(path):
            return Shard(**load_file(path))

    def tokens(self, *, held_out: bool) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Of every file: tokens, starts, ends, firsts; the hidden states stay on disk."""
        for path in self.names(held_out=held_out):
            with whole(path), safe_open(path, framework="pt") as file:
                tokens, starts, ends, firsts = map(file.get_tensor, ("tokens", "starts", "ends", "firsts"))
            yield tokens, starts, ends, firsts

    def held_out(self, size: int) -> Iterator[Shard]:
        """All texts that are not learned from, `size` at a time."""
        for path in self.names(held_out=True):
            shard = self.read(path)
            for start in range(0, len(shard), size):
                yield shortened(shard.rows(range(start, min(start + size, len(shard)))))

    def batches(self, size: int, seed: int) -> Iterator[Shard]:
        """Training texts without end, `size` at a time, in an order that the seed alone decides; or none.

        Those in a batch are of about one length: what stands behind the shorter ones is computed and thrown away.
        """
        rng = random.Random(seed)
        while True:
            names = self.names(held_out=False)
            rng.shuffle(names)
            is_empty = True
            for first in range(0, len(names), _AT_ONCE):
                some = [self.read(path) for path in names[first : first + _AT_ONCE]]
                order = [
                    (number, row) for number, shard in enumerate(some) for row in range(len(shard)) if shard.ends[row]
                ]
                rng.shuffle(order)
                order.sort(key=lambda at: int(some[at[0]].ends[at[1]]))  # those of one length stay shuffled
                cuts = list(range(0, len(order), size))
                rng.shuffle(cuts)
                for start in cuts:
                    yield _chosen(some, order[start : start + size])
                is_empty &= not cuts
            if is_empty:  # no file, or no text in any of them that is learned from
                return


def _chosen(shards: Sequence[Shard], places: Sequence[tuple[int, int]]) -> Shard:
    """The texts at (number of the shard, row), without a copy of all others."""
    rows = [[row for number, row in places if number == each] for each in range(len(shards))]
    return shortened(join([shard.rows(some) for shard, some in zip(shards, rows, strict=True) if some]))


def num_learned(firsts: Tensor, ends: Tensor) -> int:
    """How many tokens of some texts are learned from; the first of a text never is."""
    return int((ends - firsts.clamp_min(1)).clamp_min(0).sum())


def join(shards: Sequence[Shard]) -> Shard:
    """All texts, with zeros behind the shorter ones; `ends` keeps them from being learned."""
    length = max(shard.tokens.shape[1] for shard in shards)

    def padded(values: Tensor, most: int) -> Tensor:
        room = values.new_zeros((len(values), most - values.shape[1], *values.shape[2:]))
        return torch.cat([values, room], dim=1)

    return Shard(
        torch.cat([padded(shard.tokens, length) for shard in shards]),
        torch.cat([padded(shard.features, length - 1) for shard in shards]),
        torch.cat([padded(shard.final, length - 1) for shard in shards]),
        torch.cat([shard.starts for shard in shards]),
        torch.cat([shard.ends for shard in shards]),
        torch.cat([shard.firsts for shard in shards]),
    )


def shortened(shard: Shard) -> Shard:
    """Without the places behind the longest text."""
    length = max(2, int(shard.ends.max()))
    return replace(
        shard,
        tokens=shard.tokens[:, :length],
        features=shard.features[:, : length - 1],
        final=shard.final[:, : length - 1],
    )
