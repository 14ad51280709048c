"""A network with fewer layers than another of its family, made of that one's weights or new."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from draftlab.engines.checkpoint import weight_files
from draftlab.engines.grouped_attention import NAME
from draftlab.engines.hidden_states import layer_stack
from draftlab.errors import UnsupportedError


def shallow_copy(network: Any, layers: Sequence[int], *, fresh: bool) -> Any:
    """In float32, with the `layers` named (the first is 0), or as many new ones of their kinds where it is `fresh`.

    Embedding, norms before the head and the head are copies whatever the layers are.
    """
    family = type(network).__name__
    try:
        made: Any = AutoModelForCausalLM.from_config(
            _config(network, layers), dtype=torch.float32, attn_implementation=_attention(network)
        )
        theirs, name = layer_stack(network)
        mine, _ = layer_stack(made)
        missing, unexpected = mine.load_state_dict(_chosen(theirs.state_dict(), name, layers, fresh), strict=False)
        made.get_output_embeddings().load_state_dict(network.get_output_embeddings().state_dict())
    except Exception as error:  # the library fails in many ways of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(
            f"a {family} of {len(layers)} layers cannot be made: {reason[:200]}", "Train a head instead."
        ) from error
    if unexpected or [key for key in missing if not (fresh and key.startswith(f"{name}."))]:
        raise UnsupportedError(
            f"a {family} of {len(layers)} layers has other weights than one of all", "Train a head instead."
        )
    return made.to(network.get_input_embeddings().weight.device).eval()


def save_network(network: Any, folder: Path, dtype: torch.dtype, generation_config: Any) -> int:
    """An ordinary model folder but for the tokenizer; the bytes of its weights."""
    copy.deepcopy(network).to(dtype).save_pretrained(folder)
    # As it stands: the library's own way of saving it refuses settings that do not go together, such as a temperature
    # where nothing is sampled, and many published files have them.
    generation_config.to_json_file(folder / "generation_config.json")
    return sum(path.stat().st_size for path in weight_files(folder))


def _config(network: Any, layers: Sequence[int]) -> Any:
    config = copy.deepcopy(network.config.get_text_config(decoder=True))
    num = config.num_hidden_layers
    if hasattr(config, "quantization_config"):  # of a file; what was loaded from it is not quantised any more
        del config.quantization_config
    per_layer = {name: value for name, value in vars(config).items() if "layer" in name and _counts(value, num)}
    config.num_hidden_layers = len(layers)
    for name, value in per_layer.items():
        setattr(config, name, [value[i] for i in layers])
    return config


def _counts(value: object, num: int) -> bool:
    return isinstance(value, list | tuple) and len(value) == num


def _attention(network: Any) -> Any:
    """Torch's own where it was folded for single rows: whole texts gain nothing by that."""
    own = network.config._attn_implementation
    return "sdpa" if own == NAME else own


def _chosen(states: Mapping[str, Tensor], name: str, layers: Sequence[int], fresh: bool) -> dict[str, Tensor]:
    """Of the weights of all layers those of some, under their new numbers, and all that is in no layer."""
    found = {}
    for key, value in states.items():
        if not key.startswith(f"{name}."):
            found[key] = value
            continue
        number, rest = key.removeprefix(f"{name}.").split(".", 1)
        if not fresh and int(number) in layers:
            found[f"{name}.{layers.index(int(number))}.{rest}"] = value
    return found
