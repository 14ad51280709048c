"""The target writes: its own continuations, with the hidden states from which a drafter has to learn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import monotonic

import torch

from draftlab.engines.batch_texts import Batch
from draftlab.engines.batches import BatchNetwork
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import PlannedBatch
from draftlab.train.processes import Processes
from draftlab.train.progress import Progress
from draftlab.train.shards import Shard, Shards

_FEWEST = 2  # batches, whatever the time
_BATCHES = 12  # in the time that there is, at least: fewer would not have of everything
_TRIED = (8, 32)  # rows
_GIVEN, _STEPS = 8, 4  # tokens of their prompts, and steps that are timed
_TRIES, _ENOUGH = 3, 0.01  # of the time that there is, beyond which nothing is tried again
_CHEAPEST = 0.05  # of its even share of a step of few rows: one that seems to take less was timed badly
_FEWEST_ROWS = 16


def rows_for(network: BatchNetwork, new_tokens: int, seconds: float) -> int:
    """So many texts that a batch of them takes a small part of `seconds`."""
    few, more = _TRIED
    network.write([[1] * _GIVEN] * few, 2, (1,), 0.0)  # the first passes are slow
    low, high = (_seconds_of_a_step(network, num, _ENOUGH * seconds) for num in _TRIED)
    a_row = max(_CHEAPEST * low / few, (high - low) / (more - few))
    fixed = low - few * a_row
    return max(_FEWEST_ROWS, int((seconds / _BATCHES / new_tokens - fixed) / a_row))


def _seconds_of_a_step(network: BatchNetwork, rows: int, enough: float) -> float:
    short, long = (_least_seconds(network, rows, num, enough) for num in (1, 1 + _STEPS))
    return max((long - short) / _STEPS, long / (_STEPS + 1 + _GIVEN))  # reading takes no more than as many steps


def _least_seconds(network: BatchNetwork, rows: int, num: int, enough: float) -> float:
    """Of a few tries, as other work can only make one longer; of fewer where they take more than `enough` seconds."""
    taken: list[float] = []
    while not taken or (len(taken) < _TRIES and sum(taken) < enough):
        start = monotonic()
        network.write([[1] * _GIVEN] * rows, num, (1,), 0.0)
        taken.append(monotonic() - start)
    return min(taken)


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
    processes: Processes,
) -> None:
    """Write the batches of `plan` that are not there yet, for `seconds`; `spent` is told of the time of each."""
    progress.begins("the target writes, seconds", max(1, round(seconds)))
    left = seconds
    for number, planned in enumerate(plan):
        if number % processes.num != processes.index or shards.has(number):
            continue
        if left <= 0 and number >= _FEWEST:
            break
        start = monotonic()
        batch = network.write(
            planned.prompts, planned.new_tokens, layers, planned.temperature, stop_tokens, seed + number, planned.drawn
        )
        shards.write(number, planned.held_out, _shard(batch, planned, forbidden))
        taken = monotonic() - start
        left -= taken
        spent(taken)
        progress.advances(round(taken))
    processes.wait()


def _shard(batch: Batch, planned: PlannedBatch, forbidden: Forbidden) -> Shard:
    """As it is learned from: a text that strays into a prompt of a suite has no end to learn up to.

    Prompts are learned from too, but those that come again and again: the target has read them anyway.
    """
    drawn = planned.drawn or 0 if planned.held_out else 0  # it is judged by what the target says greedily
    starts = torch.tensor([len(prompt) + drawn for prompt in planned.prompts])
    firsts = starts if planned.is_again else torch.ones_like(starts)
    ends = batch.ends
    if not planned.held_out:
        strays = [forbidden.occurs_in(row[:end]) for row, end in zip(batch.tokens.tolist(), ends.tolist(), strict=True)]
        ends = ends.masked_fill(torch.tensor(strays), 0)
    return Shard(batch.tokens.to(torch.int32), batch.features, batch.final, starts.int(), ends.int(), firsts.int())
