"""The form in which linear layers are kept on a CPU: plain, packed, or (drafters only) in 8 or 4 bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from draftlab.engines.form_choice import (
    COMPRESSED,
    Agreement,
    Passes,
    agreement_of,
    choose_form,
    compress_layer,
    mean_squares,
    require_form,
)
from draftlab.engines.linear_layers import LINEAR, Site, find_linear_layers
from draftlab.engines.packing import ROWS, PackedLinear, pack
from draftlab.engines.restricted_head import RestrictedHead
from draftlab.errors import UnsupportedError
from draftlab.models import LoadOptions
from draftlab.sample_text import SAMPLE
from draftlab.types import Compression

_POSITIONS = 64


def arrange_linear_layers(
    network: Any, encode: Callable[[str], list[int]], options: LoadOptions, name: str
) -> dict[str, Any]:
    """Give the linear layers the form that `options` ask for; what the manifest says of it.

    `linear` is "plain", "packed", "int8" or "int4". With the last two there is `compress_agreement` (how many of the
    positions of a short text have the same most likely token as before) and, where forms were measured, `compress_ns`
    (one pass of one row in each).
    """
    if any(parameter.device.type != "cpu" for parameter in network.parameters()):
        return _elsewhere(options, name)
    if options.compress in COMPRESSED:
        require_form(options.compress, name)
        agreement = _compress(network, _sample(network, encode), options.compress)
        return {"linear": options.compress, "compress_agreement": agreement}
    rows = ROWS if options.fixed_rows is None else (*ROWS, options.fixed_rows)
    reason = pack(network, rows)
    if reason and network.dtype != torch.float32:  # there it is so everywhere, and no news
        options.say(f"{name}: the linear layers stay as they are: {reason}")
    form = "plain" if reason else "packed"
    if options.compress == "none":
        return {"linear": form}
    sites = find_linear_layers(network, (*LINEAR, PackedLinear))
    with torch.inference_mode():
        return choose_form(
            sites, form, _passes(network, _sample(network, encode)), _head_of(network), options.say, name
        )


@torch.inference_mode()
def arrange_network(
    options: LoadOptions, network: Any, run: Callable[[int], Tensor], compress: Compression, name: str
) -> str:
    """The same for a network that is no causal language model; `run` is a pass of so many rows over it."""
    if any(parameter.device.type != "cpu" for parameter in network.parameters()):
        return str(_elsewhere(replace(options, compress=compress), name)["linear"])
    if compress in COMPRESSED:
        require_form(compress, name)
        _put(network, find_linear_layers(network), compress, partial(run, _POSITIONS))
        return compress
    form = "plain" if pack(network, run=run) else "packed"
    if compress == "none":
        return form
    sites = find_linear_layers(network, (*LINEAR, PackedLinear))
    passes = Passes(partial(run, 1), partial(run, _POSITIONS))
    return str(choose_form(sites, form, passes, _head_of(network), options.say, name)["linear"])


def _elsewhere(options: LoadOptions, name: str) -> dict[str, Any]:
    if options.compress in COMPRESSED:
        raise UnsupportedError(
            f"'{name}' cannot be compressed to {options.compress}: it is not on the CPU",
            "Write compress=none, or use --device cpu.",
        )
    if options.compress == "auto":
        options.say(f"drafter {name}: not compressed, since it is not on the CPU")
    return {"linear": "plain"}


@torch.inference_mode()
def _compress(network: Any, sample: Sequence[int], form: str) -> Agreement:
    before = _logits(network, sample)
    _put(network, find_linear_layers(network), form, partial(_logits, network, sample))
    return agreement_of(before, _logits(network, sample))


def _put(network: Any, sites: Sequence[Site], form: str, run: Callable[[], object]) -> None:
    """Put every linear layer into 8 or 4 bits, one after another, so that memory only shrinks."""
    head = _head_of(network)
    squares = mean_squares(sites, run) if form == "int4" else {}
    for site in sites:
        layer = compress_layer(site, form, head, squares.get(site))
        if layer is not site.layer:
            site.put(layer)
            site.drop_weight()


def _head_of(network: Any) -> object:
    """The layer that makes the logits, or what is left of it."""
    head = network.get_output_embeddings() if hasattr(network, "get_output_embeddings") else network.lm_head
    return head.kept if isinstance(head, RestrictedHead) else head


def _passes(network: Any, sample: Sequence[int]) -> Passes:
    cache = DynamicCache(config=network.config)
    cache.activate_past_recording()
    network(input_ids=torch.tensor([list(sample)]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.crop(0)
    token = torch.tensor([[sample[-1]]])

    def step() -> None:
        network(input_ids=token, past_key_values=cache, use_cache=True, logits_to_keep=1)

    return Passes(step, partial(_logits, network, sample), lambda: cache.crop(-1))


def _sample(network: Any, encode: Callable[[str], list[int]]) -> list[int]:
    vocab = network.get_input_embeddings().weight.shape[0]
    limit = getattr(network.config.get_text_config(decoder=True), "max_position_embeddings", None) or _POSITIONS
    tokens = [token for token in encode(SAMPLE) if token < vocab][: min(_POSITIONS, limit - 1)]
    return tokens or [0]


def _logits(network: Any, tokens: Sequence[int]) -> Tensor:
    logits: Tensor = network(input_ids=torch.tensor([list(tokens)]), use_cache=False).logits[0]
    return logits
