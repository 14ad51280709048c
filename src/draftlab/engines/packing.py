"""Linear layers on a CPU whose weights are packed once, in the order in which oneDNN reads them.

Left alone, torch packs a 16-bit weight again in every pass, which takes as long as the product itself at few rows.
The product is the same kernel either way, so the logits are the same bit for bit. That is not taken on trust: it is
checked when a model is loaded, on a prompt and on passes of several numbers of rows, and a network where it does not
hold is left as it was. In float32 it does not hold, because unpacked products run in another library, which sums in
another order.

A head that is tied to the embedding gets a packed copy of its own, since the embedding reads rows of the plain one:
the two together take twice the memory of that one matrix. All other weights are moved, never copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from draftlab.engines.linear_layers import Site, find_linear_layers

_PROMPT = 24
ROWS = (1, 2, 5, 6, 8)
_PACKABLE = (torch.bfloat16, torch.float16, torch.float32)


class PackedLinear(torch.nn.Module):
    """A linear layer that holds nothing but its packed weight, and its bias."""

    def __init__(self, weight: Tensor, bias: Any) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.bias = bias
        # No parameter: what walks over parameters (dtype, device, moves) cannot handle a tensor in this layout.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, None)

    def forward(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")
        return product

    @property
    def weight(self) -> Tensor:
        """The plain weight [out, in], unpacked anew at each call."""
        weight: Tensor = self._packed.to_dense()
        return weight


@torch.inference_mode()
def pack(network: Any, rows: Sequence[int] = ROWS, run: Callable[[int], Tensor] | None = None) -> str | None:
    """Pack every linear layer of `network` in place; where that is not possible, undo it and say why.

    `rows` are the numbers of rows that passes will have beside the prompt's. `run` is a pass of so many rows over a
    network that is no causal language model.
    """
    look = partial(probe, network, rows) if run is None else partial(_probe_each, run, rows)
    sites = find_linear_layers(network)
    if refusal := _refusal(sites):
        return refusal
    done = []
    try:
        before = look()
        for site in sites:
            packed = PackedLinear(site.weight, site.bias)
            site.put(packed)
            site.drop_weight()
            done.append((site, packed))
        same = torch.equal(before, look())
        reason = "packed, their logits would not be the same bit for bit"
    except (RuntimeError, AttributeError, TypeError, IndexError) as error:  # also: no room for so many positions
        same, reason = False, f"they cannot be packed: {(str(error).splitlines() or [type(error).__name__])[0]}"
    if same:
        return None
    for site, packed in done:
        site.restore(packed.weight)
    return reason


def probe(network: Any, rows: Sequence[int]) -> Tensor:
    """The logits of a prompt and of a pass of each number of rows after it."""
    vocab = network.get_input_embeddings().weight.shape[0]
    cache = DynamicCache(config=network.config)
    start, logits = 0, []
    for num_rows in (_PROMPT, *rows):
        ids = [[(37 * i + 11) % vocab for i in range(start, start + num_rows)]]
        logits.append(network(input_ids=torch.tensor(ids), past_key_values=cache, use_cache=True).logits[0])
        start += num_rows
    return torch.cat(logits)


def _probe_each(run: Callable[[int], Tensor], rows: Sequence[int]) -> Tensor:
    return torch.cat([run(num_rows) for num_rows in (_PROMPT, *rows)])


def _refusal(sites: Sequence[Site]) -> str | None:
    """Why it is not worth trying, told from one small layer."""
    if not sites:
        return "there are none that could be packed"
    site = min(sites, key=lambda site: site.weight.numel())
    weight, bias = site.weight, site.bias
    if weight.dtype not in _PACKABLE:
        return f"oneDNN does not pack {str(weight.dtype).removeprefix('torch.')} here"
    try:
        packed = PackedLinear(weight, bias)
        for num_rows in (*ROWS, _PROMPT):
            x = torch.linspace(-1.0, 1.0, num_rows * packed.in_features, dtype=weight.dtype).view(1, num_rows, -1)
            if not torch.equal(packed(x), torch.nn.functional.linear(x, weight, bias)):
                return f"packed, they would round otherwise in {str(weight.dtype).removeprefix('torch.')}"
    except (RuntimeError, AttributeError) as error:
        return f"oneDNN does not pack them here: {(str(error).splitlines() or [type(error).__name__])[0]}"
    return None
