"""What one batch has to teach: the gradient of every step of drafts from every place, for as long as they are right.

A draft ends at its first wrong token, so what a student would say behind one is never asked for. It is not learned
either, unless a caller wants that: it takes most of the time, and teaches to go on from tokens that were not drafted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from draftlab.train.losses import Teacher, loss_and_gradient
from draftlab.train.processes import ALONE, Processes
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shard
from draftlab.train.student import Student

_ROWS = 512  # places whose logits are in memory at once, or those of one text
_TYPICAL = 0.6  # of a trained drafter's tokens are right

Places = Literal["right", "all", "typical"]
"""Where drafts are learned: up to their first wrong token, behind it too, or as far as a trained drafter's are right.

The last is for a trial, which is there for the time that it takes.
"""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of all drafts."""

    out: Tensor
    """[texts, places, width]: what the head reads."""
    gradient: Tensor
    """Like `out`; filled in part by part."""
    weight: float
    """What a place counts."""


def learn_from(
    student: Student,
    whole: Shard,
    depth: int,
    settings: TrainSettings,
    processes: Processes = ALONE,
    *,
    places: Places = "right",
) -> float:
    """Add the gradients of one batch to the network's; the loss of the first tokens of its drafts.

    That of all steps would fall by itself where they are more, as fewer places count.
    """
    shard = whole.rows(processes.own(len(whole)))
    total = _learn_from(student, shard, whole, depth, settings, places) if len(shard) else 0.0
    return processes.add_up(student.network.parameters(), total)


def _learn_from(
    student: Student, shard: Shard, whole: Shard, depth: int, settings: TrainSettings, places: Places
) -> float:
    """From the texts of `shard`, for their share of what there is to learn from the `whole` batch."""
    head, loss = student.head, settings.loss_terms
    tokens, final = shard.tokens.long().to(head.device), shard.final.to(head.device)
    learned = _learned(shard, depth).to(head.device)
    with torch.autocast(head.device.type, torch.bfloat16):
        outs = list(student.run_ahead(tokens, shard.features.to(head.device), depth))
    behind = torch.nn.functional.pad(tokens, (0, depth + 1))
    in_all = _learned(whole, depth)
    counts = [int(_at_step(in_all, step, whole).sum()) for step in range(depth)]
    scale = sum(settings.position_decay**step for step in range(depth))
    steps = [
        _Step(out, torch.zeros_like(out), settings.position_decay**step / scale / max(1, count))
        for step, (out, count) in enumerate(zip(outs, counts, strict=True))
    ]
    total = 0.0
    for some in _parts(learned.sum(-1).tolist()):
        teacher = Teacher.of(final[some][learned[some, 1 : tokens.shape[1]]], head)
        row = (learned[some].flatten().cumsum(0) - 1).view_as(learned[some])
        alive = torch.ones_like(learned[some, : tokens.shape[1] - 1])
        for number, step in enumerate(steps):
            alive = alive & _at_step(learned[some], number, shard)
            if not alive.any():
                break
            rows = teacher.rows(_at_step(row, number, shard)[alive])
            logits = step.out[some][alive].detach().to(head.dtype) @ head.T
            found, slope = loss_and_gradient(loss, logits, rows)
            if number == 0:
                total += float(found.sum()) / max(1, counts[0])
            back = (slope.to(head.dtype) @ head).float()  # weighted behind the product: float16 has no small numbers
            step.gradient[some][alive] = (step.weight * back).to(step.gradient.dtype)
            if number + 1 < depth:
                drafted_for = _at_step(behind[some], number, shard)[alive]
                alive[alive.clone()] = _goes_on(student, logits, drafted_for, places)
    torch.autograd.backward([step.out for step in steps], [step.gradient for step in steps])
    return total


def _goes_on(student: Student, logits: Tensor, tokens: Tensor, places: Places) -> Tensor:
    """[rows]: whether what comes behind a token that would be drafted for one of `tokens` is learned as well."""
    if places == "all":
        return torch.ones_like(tokens, dtype=torch.bool)
    if places == "typical":
        return torch.rand(len(tokens), device=tokens.device) < _TYPICAL
    return student.target_ids.to(tokens.device)[logits.max(-1).indices] == tokens


def _learned(shard: Shard, depth: int) -> Tensor:
    """[texts, length + depth + 1]: which tokens are learned; never the first of a text, and none behind its end."""
    places = torch.arange(shard.tokens.shape[1] + depth + 1)
    return (places >= shard.firsts.clamp_min(1)[:, None]) & (places < shard.ends[:, None])


def _at_step(values: Tensor, step: int, shard: Shard) -> Tensor:
    """[texts, places] of [texts, tokens]: of the token that step `step` of a draft from each place stands for."""
    return values[:, 2 + step : 1 + step + shard.tokens.shape[1]]


def _parts(counts: Sequence[int]) -> Iterator[slice]:
    """Texts in a row that have about _ROWS places to learn from; a draft never leaves its text."""
    start = total = 0
    for number, count in enumerate(counts):
        if total and total + count > _ROWS:
            yield slice(start, number)
            start, total = number, 0
        total += count
    if total:
        yield slice(start, len(counts))
