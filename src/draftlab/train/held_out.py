"""What the drafter can do by now, on texts that it never learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from draftlab.train.shards import Shards
from draftlab.train.student import Student

_TEXTS = 16  # at once
_AHEAD = 6
"""As far as drafts are judged."""
_ROWS = 1024  # whose logits are in memory at once


class Point(BaseModel):
    """One point of the curve."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float
    """Mean since the last point; 0 before the first step."""
    accepted: tuple[float, ...]
    """The share of drafted tokens at each position that a greedy target accepts, given that it came so far."""
    judged: tuple[int, ...]
    tokens_a_round: tuple[float, ...]
    """With drafts of 1, 2, ... tokens, from round to round through each text as decoding goes."""
    gamma: int
    """The draft length that pays most with them and this machine's costs."""
    speedup: float
    """Predicted with it."""

    def line(self) -> str:
        """For a person."""
        rates = " ".join(f"{rate:.2f}".lstrip("0") for rate in self.accepted)
        return (
            f"step {self.step}: held-out acceptance by position {rates}; predicted {self.speedup:.2f}x "
            f"with {self.gamma} tokens a draft"
        )


def judge(student: Student, shards: Shards, step: int, loss: float, costs: Sequence[int]) -> Point:
    """Greedy acceptance on the held-out texts, and what it would gain."""
    reached, right, rounds = (torch.zeros(_AHEAD, dtype=torch.long) for _ in range(3))
    written = 0
    for some in shards.held_out(_TEXTS):
        chains = _chains(student, some.tokens.long(), some.features, some.starts, some.ends)
        reached += chains.reached
        right += chains.right
        for lengths, start, end in zip(chains.lengths.tolist(), some.starts.tolist(), some.ends.tolist(), strict=True):
            written += max(0, end - start)
            rounds += torch.tensor([num_rounds(lengths, start, end, gamma) for gamma in range(1, _AHEAD + 1)])
    tokens_a_round = tuple((written / rounds.clamp_min(1)).tolist())
    gamma, speedup = best_length(tokens_a_round, costs)
    return Point(
        step=step,
        loss=loss,
        accepted=tuple((right / reached.clamp_min(1)).tolist()),
        judged=tuple(reached.tolist()),
        tokens_a_round=tokens_a_round,
        gamma=gamma,
        speedup=speedup,
    )


@dataclass(frozen=True, slots=True)
class _Chains:
    """Drafts from every place of some texts."""

    reached: Tensor
    """[ahead]: how many came to each position."""
    right: Tensor
    """[ahead]: how many were right there."""
    lengths: Tensor
    """[texts, places]: how many tokens of the draft from there are accepted."""


@torch.no_grad()
def _chains(student: Student, tokens: Tensor, features: Tensor, starts: Tensor, ends: Tensor) -> _Chains:
    device = student.head.device
    places = tokens.shape[1] - 1
    alive = torch.ones(len(tokens), places, dtype=torch.bool)
    lengths = torch.zeros(len(tokens), places, dtype=torch.long)
    reached, right = [], []
    behind = torch.nn.functional.pad(tokens, (0, _AHEAD + 1))
    with torch.autocast(device.type, torch.bfloat16):
        for ahead, out in enumerate(student.run_ahead(tokens.to(device), features.to(device), _AHEAD)):
            at = torch.arange(places) + 2 + ahead
            alive &= (at >= starts[:, None]) & (at < ends[:, None])
            drafted = student.target_ids[_likeliest(out[alive.to(device)], student.head)]
            correct = drafted == behind[:, 2 + ahead : 2 + ahead + places][alive]
            reached.append(int(alive.sum()))
            right.append(int(correct.sum()))
            alive[alive.clone()] = correct
            lengths += alive
    return _Chains(torch.tensor(reached), torch.tensor(right), lengths)


def _likeliest(outs: Tensor, head: Tensor) -> Tensor:
    """[rows]: which row of the head; in parts, since a whole vocabulary's logits of all rows may not fit."""
    return torch.cat([(some.to(head.dtype) @ head.T).max(-1).indices for some in torch.split(outs, _ROWS)]).cpu()


def num_rounds(lengths: Sequence[int], start: int, end: int, gamma: int) -> int:
    """How many rounds write the tokens from `start` to `end`, where a draft from place i stands for tokens from i + 2.

    Places are not rounds: where drafts are long there are fewer of them, so a mean over places promises too much.
    """
    token, num = start, 0
    while token < end:
        token += min(gamma, lengths[max(0, token - 2)]) + 1
        num += 1
    return num


def best_length(tokens_a_round: Sequence[float], costs: Sequence[int]) -> tuple[int, float]:
    """(gamma, speed-up): tokens a round over what the round costs, against plain decoding (Leviathan, Theorem 3.8).

    `tokens_a_round` are those with drafts of 1, 2, ... tokens, `costs` those of rounds with 0, 1, ... drafted tokens;
    empty where they are not known.
    """
    speedups = [
        tokens_a_round[gamma - 1] * costs[0] / costs[gamma]
        for gamma in range(1, min(len(tokens_a_round), len(costs) - 1) + 1)
    ]
    if not speedups:
        return len(tokens_a_round), 0.0
    best = max(range(len(speedups)), key=speedups.__getitem__)
    return best + 1, speedups[best]
