"""Networks of random numbers, made where they run: no download, and no pass through the host's memory."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.initialization import no_init_weights

_SPREAD = 0.02  # as GPT-2 and its heirs are initialised: logits stay finite in 16 bit


@torch.no_grad()
def random_network(config: PreTrainedConfig, device: torch.device, dtype: torch.dtype, real: int, seed: int) -> Any:
    """A network in the shape of `config` with normal weights; norms scale by one, biases are zero.

    Ids from `real` on are padding and never win: a drafter that lacks them could not follow the text.
    """
    with torch.device(device), no_init_weights():
        network: Any = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    network.tie_weights()
    chance = torch.Generator(device=device).manual_seed(seed)
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            parameter.normal_(0.0, _SPREAD, generator=chance)
        else:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    network.get_output_embeddings().weight[real:] = 0.0
    return network


def bytes_read(network: Any) -> int:
    """How many bytes of weights a pass has to read: all but tables of which it needs only a few rows."""
    head = network.get_output_embeddings().weight
    tables = {
        id(module.weight)
        for module in network.modules()
        if isinstance(module, torch.nn.Embedding) and module.weight is not head
    }
    return sum(p.numel() * p.element_size() for p in network.parameters() if id(p) not in tables)
