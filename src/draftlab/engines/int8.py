"""Linear layers with weights of 8 bits, for drafters on a CPU.

One token of a drafter takes as long as reading its weights, and 8 bits are half of 16. The logits are other ones, which
costs acceptance and never correctness: the rule judges by what was really drawn from. Targets are never changed so.

Each output channel has its own scale; activations are quantised row by row as they come (dynamic quantisation).
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from draftlab.errors import UnsupportedError

_ENGINE = "x86"  # the fastest of torch's here: onednn's and fbgemm's own entries were slower
_SEVEN_BITS = not torch.cpu._is_vnni_supported()  # of activations: else sums of products overflow without VNNI
_TINY = 1e-12


class Int8Linear(torch.nn.Module):
    """A linear layer that holds its weight as 8-bit integers."""

    def __init__(self, weight: Tensor, bias: Any) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        wide = weight.float()
        scales = (wide.abs().amax(dim=1).double() / 127.0).clamp_min(_TINY)
        zeros = torch.zeros(len(wide), dtype=torch.long)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch moves quantisation to another package, whose kernels are slower
            quantised = torch.quantize_per_channel(wide, scales, zeros, 0, torch.qint8)
        self._sums = quantised.dequantize().sum(dim=1)
        self._bias = None if bias is None else bias.detach().float()
        self._packed = _prepack(quantised, self._bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        if x.numel() == self.in_features:
            return self._product(wide).to(x.dtype)
        # The kernel has one scale for all rows, and the first row of a text is often hundreds of times as large as the
        # others, of which nothing would be left. So each row is moved to -1 ... 1 first, and its product back.
        low, high = wide.aminmax(dim=-1, keepdim=True)
        middle, half = (high + low) / 2.0, ((high - low) / 2.0).clamp_min(_TINY)
        product = self._product((wide - middle) / half) * half + self._sums * middle
        if self._bias is not None:
            product += self._bias * (1.0 - half)  # the kernel has added it to what was divided
        return product.to(x.dtype)

    def _product(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed, _SEVEN_BITS)
        return product


def require_int8(name: str) -> None:
    """Raise unless this machine can multiply 8-bit weights fast."""
    if _ENGINE not in torch.backends.quantized.supported_engines:
        raise UnsupportedError(
            f"'{name}' cannot be compressed to int8: torch has no {_ENGINE} kernels on this machine",
            "Write compress=none.",
        )


def _prepack(weight: Tensor, bias: Tensor | None) -> Any:
    engine = torch.backends.quantized.engine
    try:
        torch.backends.quantized.engine = _ENGINE
        return torch.ops.quantized.linear_prepack(weight, bias)
    finally:
        torch.backends.quantized.engine = engine
