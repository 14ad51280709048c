"""What stands between a network's last layer and its logits: a norm and a head, and in some families more than that."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from draftlab.engines.hidden_states import layer_stack
from draftlab.engines.loading import open_checkpoint
from draftlab.errors import UnsupportedError
from draftlab.models import LoadOptions, ModelSource

_FACTORS = ("logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier")
"""By which families multiply or divide their logits, as they call it."""
_CAP = "final_logit_softcapping"
_TOLERANCE = 0.01  # of the size of the logits; the same product twice differs by its rounding alone
_SIZE = 256.0  # so large that what norms add to it against zeros is nothing


def require_bare_head(source: ModelSource, options: LoadOptions) -> None:
    """Refuse a target whose configuration says that its logits are not its head's product with the last hidden state.

    Its weights are not read for that.
    """
    if source.engine == "transformers":
        config = open_checkpoint(source, options).config.get_text_config(decoder=True)
        found = {name: getattr(config, name, None) for name in (*_FACTORS, _CAP)}
        set_ones = [name for name, value in found.items() if value and (name == _CAP or value != 1)]
        if set_ones:
            raise _refusal(source.reference, f"{set_ones[0]} = {found[set_ones[0]]}")


@torch.inference_mode()
def try_bare_head(network: Any, name: str, device: torch.device) -> None:
    """Refuse the same of a network in memory, by what it computes: no list of settings is complete."""
    ids = torch.arange(1, 9, device=device)[None] % network.get_input_embeddings().weight.shape[0]
    logits = network(input_ids=ids, use_cache=False).logits
    final = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
    head = network.get_output_embeddings().weight
    expected = final.to(head) @ head.T
    logits = logits.to(expected)
    if logits.shape != expected.shape or (logits - expected).norm() > _TOLERANCE * expected.norm():
        raise _refusal(name, "as a pass over some tokens shows")


def final_scale(network: Any) -> Tensor | None:
    """[width]: by what the norm behind the last layer multiplies, where the network keeps one that can be found.

    Found by what it makes of two vectors, as families differ in what they do with its weight: Gemma adds one to it.
    """
    weighted = [(module, getattr(module, "weight", None)) for module in layer_stack(network)[0].children()]
    norms = [(module, weight) for module, weight in weighted if isinstance(weight, Tensor) and weight.ndim == 1]
    if not norms:
        return None
    norm, weight = norms[-1]  # some networks have one before their layers, too
    signs = torch.ones_like(weight, device="cpu" if weight.is_meta else None)
    signs[1::2] = -1.0
    with torch.no_grad():
        up, down = (norm(factor * signs[None, None])[0, 0] for factor in (_SIZE, -_SIZE))
    found: Tensor = (up - down) / 2 * signs  # without what it adds
    return found


def _refusal(name: str, how: str) -> UnsupportedError:
    return UnsupportedError(
        f"the logits of '{name}' are not its head's product with its last hidden state ({how}), and learning takes "
        "them for that",
        "Use a drafter that is not trained here, such as ngram, lookup or model:NAME.",
    )
