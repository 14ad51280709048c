"""The target writes: its own continuations, with the hidden states from which a drafter has to learn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import monotonic

import torch
from torch import Tensor

from draftlab.engines.batches import Batch, BatchNetwork
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import PlannedBatch
from draftlab.train.progress import Progress
from draftlab.train.shards import Shard, Shards

_FEWEST = 2  # batches, whatever the time


def capture(
    network: BatchNetwork,
    plan: Sequence[PlannedBatch],
    layers: Sequence[int],
    stop_tokens: Collection[int],
    shards: Shards,
    seconds: float,
    seed: int,
    forbidden: Forbidden,
    progress: Progress,
    spent: Callable[[float], None],
) -> None:
    """Write the batches of `plan` that are not there yet, for `seconds`; `spent` is told of the time of each."""
    progress.begins("the target writes, seconds", max(1, round(seconds)))
    left = seconds
    for number in range(len(shards), len(plan)):
        if left <= 0 and number >= _FEWEST and shards.names(held_out=True) and shards.names(held_out=False):
            break
        start = monotonic()
        planned = plan[number]
        rng = torch.Generator().manual_seed(seed + number)
        batch = network.write(planned.prompts, planned.new_tokens, layers, planned.temperature, rng)
        shards.write(number, planned.held_out, _shard(batch, planned, stop_tokens, forbidden))
        taken = monotonic() - start
        left -= taken
        spent(taken)
        progress.advances(round(taken))


def _shard(batch: Batch, planned: PlannedBatch, stop_tokens: Collection[int], forbidden: Forbidden) -> Shard:
    """Without what comes after a text's end; a text that strays into a prompt of a suite has no end to learn up to."""
    length = len(planned.prompts[0])
    starts = torch.full((len(batch.tokens),), length if planned.new_tokens else 1)
    ends = ends_of(batch.tokens, length, stop_tokens)
    if not planned.held_out:
        for i, tokens in enumerate(batch.tokens.tolist()):
            if forbidden.occurs_in(tokens[: int(ends[i])]):
                ends[i] = 0
    return Shard(batch.tokens.to(torch.int32), batch.features, batch.final, starts.int(), ends.int())


def ends_of(tokens: Tensor, length: int, stop_tokens: Collection[int]) -> Tensor:
    """How many tokens there are up to the first stop after the prompt, that one included."""
    stops = torch.isin(tokens, torch.tensor(sorted(stop_tokens), dtype=tokens.dtype))
    stops[:, :length] = False
    return torch.where(stops.any(1), stops.int().argmax(1) + 1, tokens.shape[1])
