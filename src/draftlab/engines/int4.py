"""Linear layers with weights of 4 bits, for drafters on a CPU.

They are half of int8's bytes, and the kernel spends more on each; what wins depends on the machine, so `auto` measures.
Weights are rounded in groups along the inputs, each with a scale and a zero of its own. Activations stay in bfloat16.

Acceptance follows how near the logits are, so scale and zero are searched for: those with the least sum of squared
errors, each times the mean square of what its weight is multiplied by (as the importance matrix of llama.cpp does).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from draftlab.errors import UnsupportedError

_GROUP = 32  # weights that share a scale; 64 were no faster, and further from the logits of the checkpoint
_OUTPUTS = 16  # the kernel wants a multiple
_CLIPS = (1.0, 0.92, 0.84, 0.76)  # of a group's range
_REFITS = 2
_FLOOR = 1e-3  # of the mean importance: a short text does not show every input
_AT_ONCE = 2**20  # weights: what is worked on stays in the processor's cache, and in float32 for a moment only
_BLOCK = 64  # rows that the kernel's layout keeps together
_TINY = 1e-12
_FEW = 8  # rows up to which it is the faster form


class Int4Linear(torch.nn.Module):
    """A linear layer that holds its weight as 4-bit integers; `importance` [in] is the mean square of each input.

    A pass over a prompt takes twice as long in this form as in 8 bits, and goes to `many` where that is given.
    """

    def __init__(
        self, weight: Tensor, bias: Any, importance: Tensor | None = None, many: torch.nn.Module | None = None
    ) -> None:
        super().__init__()
        self.many = many
        self.out_features, self.in_features = weight.shape
        self._bias = None if bias is None else bias.detach()
        count = max(_BLOCK, _AT_ONCE // self.in_features // _BLOCK * _BLOCK)
        matters = torch.ones(self.in_features) if importance is None else importance
        matters = matters + _FLOOR * matters.mean() + _TINY
        packed, scales = zip(*(_pack(rows, matters) for rows in torch.split(weight, count)), strict=True)
        self._packed = torch.cat(packed)
        self._scales = torch.cat(scales, dim=1).contiguous()

    def forward(self, x: Tensor) -> Tensor:
        if self.many is not None and x.numel() > _FEW * self.in_features:
            wide: Tensor = self.many(x)
            return wide
        rows = x.reshape(-1, self.in_features).to(torch.bfloat16)
        product: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self._packed, _GROUP, self._scales)
        product = product.view(*x.shape[:-1], self.out_features).to(x.dtype)
        return product if self._bias is None else product + self._bias


def fits_int4(weight: Tensor) -> bool:
    """Whether a weight [out, in] has a shape that the kernel takes."""
    return weight.shape[0] % _OUTPUTS == 0 and weight.shape[1] % _GROUP == 0


def require_int4(name: str) -> None:
    """Raise unless this build of torch multiplies 4-bit weights on a CPU."""
    try:
        weight = torch.eye(_BLOCK)
        found = Int4Linear(weight, None)(weight)
        works = bool((found - weight).abs().max() < 0.1)
        reason = "gets them wrong"
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        works, reason = False, f"has no kernel for them: {(str(error).splitlines() or [type(error).__name__])[0][:200]}"
    if not works:
        raise UnsupportedError(f"'{name}' cannot be compressed to int4: torch {reason}", "Write compress=int8 or none.")


def _pack(weight: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """The kernel's layout of some rows [n, in], and their scales and zeros [groups, n, 2]."""
    wide = weight.float().reshape(len(weight), -1, _GROUP)
    scales, zeros = _best_scales(wide, importance.view(-1, _GROUP))
    steps = (_steps(wide, scales, zeros) + 8.0).flatten(1).to(torch.int32)
    both = torch.cat([scales, zeros], dim=-1).to(torch.bfloat16).transpose(0, 1)
    return torch.ops.aten._convert_weight_to_int4pack_for_cpu(steps, 1), both


def _best_scales(wide: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """The scale and zero [n, groups, 1] of each group [n, groups, group] that round it with the least error.

    Of several ranges the best is taken, and then moved to where it suits best what the weights were rounded to.
    """
    low, high = wide.aminmax(dim=-1, keepdim=True)
    middle, reach = (high + low) / 2.0, high - low
    best = torch.full_like(low, torch.inf)
    scales, zeros = torch.ones_like(low), torch.zeros_like(low)
    for attempt in range(len(_CLIPS) + _REFITS):
        if attempt < len(_CLIPS):
            scale = (reach * (_CLIPS[attempt] / 15.0)).clamp_min(_TINY)
            zero = middle + scale / 2.0  # steps go from -8 to 7, so their middle is half a step below 0
        else:
            scale, zero = _refitted(wide, importance, scales, zeros)
        scale, zero = _as_kept(scale), _as_kept(zero)
        off = _steps(wide, scale, zero).mul_(scale).add_(zero).sub_(wide)
        error = off.square_().mul_(importance).sum(-1, keepdim=True)
        better = error < best
        best = best.where(~better, error)
        scales, zeros = scales.where(~better, scale), zeros.where(~better, zero)
    return scales, zeros


def _refitted(wide: Tensor, importance: Tensor, scale: Tensor, zero: Tensor) -> tuple[Tensor, Tensor]:
    """The line (scale, zero) through the weights over their steps, by weighted least squares."""
    steps = _steps(wide, scale, zero)
    total = importance.sum(-1, keepdim=True)
    mean_step = (importance * steps).sum(-1, keepdim=True) / total
    mean_weight = (importance * wide).sum(-1, keepdim=True) / total
    away = (steps - mean_step) * importance
    spread = (away * steps).sum(-1, keepdim=True)
    slope = (away * wide).sum(-1, keepdim=True) / spread.clamp_min(_TINY)
    slope = slope.where((spread > _TINY) & (slope > _TINY), scale)  # all on one step: any slope would do
    return slope, mean_weight - slope * mean_step


def _steps(wide: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    return (wide - zero).div_(scale).round_().clamp_(-8.0, 7.0)


def _as_kept(values: Tensor) -> Tensor:
    """Rounded as the kernel will have them, so that the weights are rounded to what it will really multiply by."""
    return values.to(torch.bfloat16).float()
