"""How far a drafter's distribution is from the target's, row by row, and which way is nearer; both over its tokens.

Gradients by the logits are written down here: autograd would keep several times a batch's logits, and take longer over
them than the products do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Teacher:
    """What the target says at some places."""

    mass: Tensor
    """[rows, tokens], float32"""
    likeliest: Tensor
    """[rows]"""

    @classmethod
    def of(cls, finals: Tensor, head: Tensor) -> Teacher:
        """From what its head reads [rows, width], by the head's rows [tokens, width]."""
        logits = (finals.to(head.dtype) @ head.T).float()
        return cls(logits.softmax(-1), logits.max(-1).indices)  # as argmax, and faster on a CPU

    def rows(self, chosen: Tensor) -> Teacher:
        """Some of the places."""
        return Teacher(self.mass[chosen], self.likeliest[chosen])


@dataclass(frozen=True, slots=True)
class _Own:
    """What the drafter says at the same places."""

    log_mass: Tensor
    mass: Tensor


_Term = Callable[[_Own, Teacher, float, Tensor], Tensor]
"""(own, teacher, weight, gradient that the weighted one is added to) -> loss [rows]"""


def _forward_kl(own: _Own, teacher: Teacher, weight: float, gradient: Tensor) -> Tensor:
    """KL(p, q) but for p's entropy: q is to cover what p does."""
    gradient.add_(own.mass, alpha=weight).sub_(teacher.mass, alpha=weight)
    return -(teacher.mass * own.log_mass).sum(-1)


def _likeliest(own: _Own, teacher: Teacher, weight: float, gradient: Tensor) -> Tensor:
    """Cross-entropy with the target's likeliest token, which is all that counts in a greedy text."""
    at = teacher.likeliest[:, None]
    gradient.add_(own.mass, alpha=weight)
    gradient.scatter_add_(-1, at, gradient.new_full(at.shape, -weight))
    return -own.log_mass.gather(-1, at)[:, 0]


def _reverse_kl(own: _Own, teacher: Teacher, weight: float, gradient: Tensor) -> Tensor:
    """KL(q, p): q is to draw what p allows."""
    ratio = own.log_mass - teacher.mass.clamp_min(torch.finfo(torch.float32).tiny).log()
    loss = (own.mass * ratio).sum(-1)
    gradient.add_(own.mass * (ratio - loss[:, None]), alpha=weight)
    return loss


def _total_variation(own: _Own, teacher: Teacher, weight: float, gradient: Tensor) -> Tensor:
    """Half of |p - q|: one minus the share that the rejection rule accepts (Leviathan et al. 2023, section 3)."""
    off = own.mass - teacher.mass
    sign = off.sign()
    mean = (own.mass * sign).sum(-1, keepdim=True)
    gradient.add_(own.mass * (sign - mean), alpha=0.5 * weight)
    return 0.5 * off.abs().sum(-1)


TERMS: Mapping[str, _Term] = {
    "forward-kl": _forward_kl,
    "reverse-kl": _reverse_kl,
    "total-variation": _total_variation,
    "likeliest": _likeliest,
}


def loss_and_gradient(loss: Mapping[str, float], logits: Tensor, teacher: Teacher) -> tuple[Tensor, Tensor]:
    """The weighted sum of some TERMS [rows], and its gradient by the drafter's `logits` [rows, tokens]."""
    log_mass = logits.float().log_softmax(-1)
    own = _Own(log_mass, log_mass.exp())
    gradient = torch.zeros_like(log_mass)
    losses = [weight * TERMS[name](own, teacher, weight, gradient) for name, weight in loss.items()]
    return torch.stack(losses).sum(0), gradient
