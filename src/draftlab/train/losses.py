"""How far the head's distribution is from the target's, row by row; both over the head's tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from draftlab.train.settings import Loss

_SOFT = 0.6


def _forward_kl(own: Tensor, target: Tensor) -> Tensor:
    """KL(p, q) but for p's entropy: q is to cover what p does."""
    return -(target.softmax(-1) * own.log_softmax(-1)).sum(-1)


def _reverse_kl(own: Tensor, target: Tensor) -> Tensor:
    """KL(q, p): q is to draw what p allows."""
    log_q = own.log_softmax(-1)
    return (log_q.exp() * (log_q - target.log_softmax(-1))).sum(-1)


def _total_variation(own: Tensor, target: Tensor) -> Tensor:
    """Half of |p - q|: one minus the share that the rejection rule accepts (Leviathan et al. 2023, section 3)."""
    return 0.5 * (target.softmax(-1) - own.softmax(-1)).abs().sum(-1)


def _mixed(own: Tensor, target: Tensor) -> Tensor:
    """Forward KL, and the target's likeliest token, which is all that counts in a greedy text."""
    log_q = own.log_softmax(-1)
    soft = -(target.softmax(-1) * log_q).sum(-1)
    hard = -log_q.gather(-1, target.argmax(-1, keepdim=True))[..., 0]
    return _SOFT * soft + (1.0 - _SOFT) * hard


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {
    "mixed": _mixed,
    "forward-kl": _forward_kl,
    "reverse-kl": _reverse_kl,
    "total-variation": _total_variation,
}
"""(the head's logits [rows, draft vocab], the target's) -> [rows]"""


def loss_and_gradient(loss: Loss, outs: Tensor, finals: Tensor, head: Tensor, chunk: int = 512) -> tuple[float, Tensor]:
    """The mean over rows and its gradient by `outs` [rows, width], without holding all rows' logits at once."""
    total, gradients = 0.0, torch.empty_like(outs)
    for start in range(0, len(outs), chunk):
        rows = outs[start : start + chunk].detach().requires_grad_(True)
        own = (rows.to(head.dtype) @ head.T).float()
        target = (finals[start : start + chunk].to(head.dtype) @ head.T).float()
        found = LOSSES[loss](own, target).sum() / len(outs)
        (gradients[start : start + chunk],) = torch.autograd.grad(found, rows)
        total += float(found.detach())
    return total, gradients
