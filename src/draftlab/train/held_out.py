"""What the drafter can do by now, on texts that it never learns from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from draftlab.train.shards import Shards
from draftlab.train.student import Student
from draftlab.train.unrolled import run_ahead

_TEXTS = 16  # of each held-out batch
_AHEAD = 6
"""As far as drafts are judged."""


class Point(BaseModel):
    """One point of the curve."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float
    """Mean since the last point; 0 before the first step."""
    accepted: tuple[float, ...]
    """The share of drafted tokens at each position that a greedy target accepts, given that it came so far."""
    judged: tuple[int, ...]
    gamma: int
    """The draft length that pays most at these rates and this machine's costs."""
    speedup: float
    """Predicted with it."""

    @property
    def block_efficiency(self) -> float:
        """Tokens a round at that length."""
        return 1.0 + sum(_chances(self.accepted[: self.gamma]))

    def line(self) -> str:
        """For a person."""
        rates = " ".join(f"{rate:.2f}".lstrip("0") for rate in self.accepted)
        return (
            f"step {self.step}: held-out acceptance by position {rates}; predicted {self.speedup:.2f}x "
            f"with {self.gamma} tokens a draft"
        )


def judge(student: Student, shards: Shards, step: int, loss: float, costs: Sequence[int]) -> Point:
    """Greedy acceptance on the held-out texts, and what it would gain."""
    reached, right = torch.zeros(_AHEAD, dtype=torch.long), torch.zeros(_AHEAD, dtype=torch.long)
    for path in shards.names(held_out=True):
        some = shards.read(path)
        some = some.rows(range(min(_TEXTS, len(some))))
        seen, found = _chains(student, some.tokens.long(), some.features, some.starts, some.ends)
        reached += seen
        right += found
    rates = tuple((right / reached.clamp_min(1)).tolist())
    gamma, speedup = best_length(rates, costs)
    return Point(step=step, loss=loss, accepted=rates, judged=tuple(reached.tolist()), gamma=gamma, speedup=speedup)


@torch.no_grad()
def _chains(student: Student, tokens: Tensor, features: Tensor, starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Of each position: how many chains came to it, and how many were right there."""
    device = student.head.device
    places = tokens.shape[1] - 1
    alive = torch.ones(len(tokens), places, dtype=torch.bool)
    reached, right = [], []
    behind = torch.nn.functional.pad(tokens, (0, _AHEAD + 1))
    with torch.autocast(device.type, torch.bfloat16):
        for ahead, out in enumerate(run_ahead(student.network, tokens.to(device), features.to(device), _AHEAD)):
            at = torch.arange(places) + 2 + ahead
            alive &= (at >= starts[:, None]) & (at < ends[:, None])
            drafted = student.target_ids[
                (out[alive.to(device)].to(student.head.dtype) @ student.head.T).argmax(-1).cpu()
            ]
            correct = drafted == behind[:, 2 + ahead : 2 + ahead + places][alive]
            reached.append(int(alive.sum()))
            right.append(int(correct.sum()))
            alive[alive.clone()] = correct
    return torch.tensor(reached), torch.tensor(right)


def best_length(rates: Sequence[float], costs: Sequence[int]) -> tuple[int, float]:
    """(gamma, speed-up): tokens a round over what the round costs, against plain decoding (Leviathan, Theorem 3.8).

    `costs` are those of rounds with 0, 1, ... drafted tokens; empty where they are not known.
    """
    chances = _chances(rates)
    speedups = [
        (1.0 + sum(chances[:gamma])) * costs[0] / costs[gamma]
        for gamma in range(1, min(len(rates), len(costs) - 1) + 1)
    ]
    if not speedups:
        return len(rates), 0.0
    best = max(range(len(speedups)), key=speedups.__getitem__)
    return best + 1, speedups[best]


def _chances(rates: Sequence[float]) -> list[float]:
    """That a draft is accepted up to each position."""
    found, product = [], 1.0
    for rate in rates:
        product *= rate
        found.append(product)
    return found
