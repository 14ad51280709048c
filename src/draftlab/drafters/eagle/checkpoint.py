"""What an EAGLE-3 checkpoint says: the keys of its configuration and the names of its tensors.

They are those that vLLM (`llama_eagle3.py`) and SGLang load, in the form of the authors' own checkpoints and in that of
the speculators library, which puts the decoder layer's keys one level deeper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig

from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.types import StoredTensors

HEAD = "lm_head.weight"
_IGNORED = {"t2d"}  # follows from d2t
_LAYER = "midlayer."
_HINT = "Give the folder or hub id of an EAGLE-3 head, for example one of yuhuili or RedHatAI."


@dataclass(frozen=True)
class EagleCheckpoint:
    """A head's shape and weights, by the names that its network uses."""

    name: str
    layer: LlamaConfig
    """Of the one decoder layer; its vocabulary is the target's."""
    tensors: Mapping[str, Tensor]
    draft_vocab_size: int
    target_hidden_size: int
    layers_read: tuple[int, ...] | None
    """After how many of the target's layers hidden states are read. None: the usual ones."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_read(self) -> int:
        """How many hidden states are fused."""
        return int(self.tensors["fc.weight"].shape[1]) // self.target_hidden_size

    def is_set(self, name: str) -> bool:
        """Whether the configuration turns `name` on."""
        return bool(self.options.get(name, False))

    def layers_of(self, num_layers: int) -> list[int]:
        """The hidden states to read of a target, from low to high, as vLLM orders them: 2, the middle and n - 3."""
        chosen = self.layers_read or (2, num_layers // 2, num_layers - 3)
        return sorted(set(chosen))

    def target_ids(self) -> Tensor:
        """The target's id of each token of the head, [draft_vocab_size]; the file stores the difference."""
        own = torch.arange(self.draft_vocab_size)
        return own + self.tensors["d2t"] if "d2t" in self.tensors else own


def read_checkpoint(stored: StoredTensors) -> EagleCheckpoint:
    """Tell what `stored` holds; raise unless it is an EAGLE-3 head that can be run."""
    config = _flat(stored)
    tensors = {own_name(name): tensor for name, tensor in stored.tensors.items()}
    tensors = {name: tensor for name, tensor in tensors.items() if name not in _IGNORED}
    fc = tensors.get("fc.weight")
    if fc is None or fc.ndim != 2 or not any(name.startswith(_LAYER) for name in tensors):
        raise DraftlabError(
            f"'{stored.reference}' is no EAGLE-3 drafter: it has no fc.weight and {_LAYER}* among its "
            f"{len(tensors)} tensors",
            _HINT,
        )
    nested = _table(stored, config, "eagle_config")
    if not nested.get("use_aux_hidden_state", True) or config.get("num_hidden_layers", 1) != 1:
        raise UnsupportedError(
            f"'{stored.reference}' is an EAGLE-3 drafter of several layers, or reads no hidden states but the last",
            "Heads of one decoder layer that read several hidden states can be used.",
        )
    vocab_size, width = (_number(stored, config, key) for key in ("vocab_size", "hidden_size"))
    if not isinstance(config.get("logit_scale") or 1.0, int | float):
        raise DraftlabError(
            f"the config.json of '{stored.reference}' says logit_scale = {config['logit_scale']!r}", _HINT
        )
    sizes = {"draft_vocab_size": vocab_size, "target_hidden_size": width}
    sizes = {key: _number(stored, config, key) if config.get(key) is not None else most for key, most in sizes.items()}
    return EagleCheckpoint(
        name=stored.reference,
        layer=_layer_config(stored, config),
        tensors=tensors,
        layers_read=_layers(stored, {**nested, **config}),
        **sizes,
        options={**config, **nested},
    )


def _flat(stored: StoredTensors) -> dict[str, Any]:
    """One level of keys; the speculators library normalises before the residual unless told otherwise."""
    config = stored.config
    if config.get("speculators_model_type") != "eagle3":
        return dict(config)
    own = {key: value for key, value in config.items() if key != "transformer_layer_config" and value is not None}
    return {"norm_before_residual": True, **_table(stored, config, "transformer_layer_config"), **own}


def _table(stored: StoredTensors, config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise DraftlabError(f"the config.json of '{stored.reference}' says {key} = {value!r}", _HINT)
    return value


def _layers(stored: StoredTensors, config: Mapping[str, Any]) -> tuple[int, ...] | None:
    key = "eagle_aux_hidden_state_layer_ids"
    value = config.get(key) or None
    if value is not None and not (isinstance(value, list | tuple) and all(type(i) is int for i in value)):
        raise DraftlabError(f"the config.json of '{stored.reference}' says {key} = {value!r}", _HINT)
    return None if value is None else tuple(value)


def own_name(name: str) -> str:
    """The authors' name of a tensor, by which the network has it, too."""
    return name.removeprefix("model.").replace("layers.0.", _LAYER, 1)


def _number(stored: StoredTensors, config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DraftlabError(f"the config.json of '{stored.reference}' says {key} = {value!r}", _HINT)
    return value


def _layer_config(stored: StoredTensors, config: Mapping[str, Any]) -> LlamaConfig:
    try:
        layer = LlamaConfig.from_dict({**config, "model_type": "llama"})
    except Exception as error:  # the library validates in many ways of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DraftlabError(f"cannot read the configuration of '{stored.reference}': {reason[:300]}", _HINT) from error
    layer._attn_implementation = "sdpa"
    return layer
