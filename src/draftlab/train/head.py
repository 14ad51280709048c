"""A student that reads the target's hidden states: an EAGLE-3 head, which begins by passing the last one through."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor

from draftlab.drafters.eagle.checkpoint import EagleCheckpoint, read_checkpoint
from draftlab.drafters.eagle.network import EagleNetwork
from draftlab.engines.batches import BatchNetwork
from draftlab.train.unrolled import run_ahead
from draftlab.types import StoredTensors

_QUIET = 0.3  # of the usual size: what the new layer adds at first
_FROM_TARGET = ("rms_norm_eps", "rope_theta", "rope_parameters", "max_position_embeddings", "head_dim", "bos_token_id",
                "eos_token_id")  # fmt: skip


@dataclass(frozen=True)
class Head:
    """The network that is trained, with what it borrows from the target and never changes."""

    drafter: ClassVar[str] = "eagle"
    network: EagleNetwork
    config: Mapping[str, Any]
    """Of its checkpoint."""
    embedding: Tensor
    """[vocab, width]"""
    head: Tensor
    """[draft vocab, width]: the target's rows of the tokens that it drafts."""
    target_ids: Tensor
    """[draft vocab]; rising, unless another made them"""
    kept: Mapping[str, Tensor]
    """What its file has beside that which is trained, as it is written."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What its file calls the tensors of the network, where that is not their own name."""
    rate: float = 1.0

    def tensors(self) -> dict[str, Tensor]:
        """What is trained, in float32, by the names of the checkpoint."""
        return {name: value.detach() for name, value in self.network.named_parameters() if name != "lm_head.weight"}

    def run_ahead(self, tokens: Tensor, features: Tensor, num_steps: int) -> Iterator[Tensor]:
        """On its own outputs, as it drafts."""
        return run_ahead(self.network, tokens, features, num_steps)

    def write(self, folder: Path) -> int:
        """config.json and model.safetensors; what is trained in bfloat16, and nothing more that the target holds."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            self.names.get(name, name): tensor.to("cpu", torch.bfloat16).contiguous()
            for name, tensor in self.tensors().items()
        }
        tensors |= self.kept
        part = folder / "model.part"
        save_file(tensors, part, {"format": "pt"})
        path = folder / "model.safetensors"
        part.rename(path)
        (folder / "config.json").write_text(json.dumps(dict(self.config), indent=1) + "\n", encoding="utf-8")
        return path.stat().st_size


def layers_to_read(num_layers: int, asked: Sequence[int] | None) -> tuple[int, ...]:
    """A low, a middle and the last hidden state; from low to high, as whoever loads a head reads them."""
    return tuple(sorted(set(asked or (max(1, num_layers // 3), max(1, 2 * num_layers // 3), num_layers))))


def config_of(target: BatchNetwork, layers: Sequence[int], draft_vocab: int) -> dict[str, Any]:
    """config.json of an EAGLE-3 head for `target`, as vLLM reads it."""
    config = target.config
    vocab, width = target.head().shape
    heads = config.num_attention_heads
    given = {name: getattr(config, name) for name in _FROM_TARGET if getattr(config, name, None) is not None}
    return {
        **given,
        "architectures": ["LlamaForCausalLMEagle3"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": width,
        "target_hidden_size": width,
        "intermediate_size": getattr(config, "intermediate_size", None) or 4 * width,
        "num_attention_heads": heads,
        "num_key_value_heads": getattr(config, "num_key_value_heads", None) or heads,
        "num_hidden_layers": 1,
        "vocab_size": vocab,
        "draft_vocab_size": draft_vocab,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "fc_norm": True,
        "norm_output": True,
        "eagle_aux_hidden_state_layer_ids": list(layers),
    }


def new_head(target: BatchNetwork, layers: Sequence[int], target_ids: Tensor, seed: int) -> Head:
    """An untrained one; the same for the same seed."""
    config = config_of(target, layers, len(target_ids))
    width = int(config["hidden_size"])
    torch.manual_seed(seed)
    stored = StoredTensors("new head", config, {"fc.weight": torch.empty(width, len(layers) * width),
                                                "midlayer.hidden_norm.weight": torch.empty(width)}, {})  # fmt: skip
    checkpoint: EagleCheckpoint = read_checkpoint(stored)
    network = EagleNetwork(checkpoint).float()
    _begin(network, target.final_scale(), layers[-1] == target.num_layers, width)
    network.lm_head.requires_grad_(False)
    network.to(target.head().device)
    embedding = target.embedding().clone()
    network.embedding = embedding
    kept = {"d2t": target_ids - torch.arange(len(target_ids))}
    return Head(network, config, embedding, target.head()[target_ids].clone(), target_ids, kept)


@torch.no_grad()
def _begin(network: EagleNetwork, final_scale: Tensor | None, reads_last: bool, width: int) -> None:
    """The last of the hidden states that are read passes through, normed as the target's head knows it."""
    assert network.fc_norm is not None
    if final_scale is not None and reads_last:
        network.fc_norm[-1].weight.copy_(final_scale)  # type: ignore[operator]
    network.fc.weight.mul_(0.1)
    network.fc.weight[:, -width:] = torch.eye(width)
    network.midlayer.self_attn.o_proj.weight.mul_(_QUIET)
    network.midlayer.mlp.down_proj.weight.mul_(_QUIET)
