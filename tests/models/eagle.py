"""Tiny random EAGLE-3 heads: the keys and tensor names of published ones, and a few numbers in each."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from draftlab.types import StoredTensors


def eagle_config(vocab_size: int, hidden: int, draft_vocab_size: int | None = None, **more: Any) -> dict[str, Any]:
    """The keys of yuhuili/EAGLE3-LLaMA3.1-Instruct-8B, scaled down."""
    return {
        "architectures": ["LlamaForCausalLMEagle3"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
        "draft_vocab_size": vocab_size if draft_vocab_size is None else draft_vocab_size,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "initializer_range": 0.02,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": 64,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "num_key_value_heads": 1,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": vocab_size,
        **more,
    }


def eagle_tensors(config: dict[str, Any], num_read: int = 3, seed: int = 0, gain: float = 1.0) -> dict[str, Tensor]:
    """All tensors that a published file has; every other token of the target is one of the head's."""
    width, heads = config["hidden_size"], config["num_attention_heads"]
    dim = config.get("head_dim") or width // heads
    read = num_read * config.get("target_hidden_size", width)
    inner, drafted = config["intermediate_size"], config["draft_vocab_size"]
    shapes = {
        "fc.weight": (width, read),
        "midlayer.self_attn.q_proj.weight": (heads * dim, 2 * width),
        "midlayer.self_attn.k_proj.weight": (config["num_key_value_heads"] * dim, 2 * width),
        "midlayer.self_attn.v_proj.weight": (config["num_key_value_heads"] * dim, 2 * width),
        "midlayer.self_attn.o_proj.weight": (width, heads * dim),
        "midlayer.mlp.gate_proj.weight": (inner, width),
        "midlayer.mlp.up_proj.weight": (inner, width),
        "midlayer.mlp.down_proj.weight": (width, inner),
        "lm_head.weight": (drafted, width),
    }
    chance = torch.Generator().manual_seed(seed)
    tensors = {
        name: gain * torch.randn(shape, generator=chance) / math.sqrt(shape[1]) for name, shape in shapes.items()
    }
    for name in ("hidden_norm", "input_layernorm", "post_attention_layernorm"):
        tensors[f"midlayer.{name}.weight"] = 1.0 + 0.1 * torch.randn(width, generator=chance)
    tensors["norm.weight"] = 1.0 + 0.1 * torch.randn(width, generator=chance)
    ids = torch.arange(drafted) * (config["vocab_size"] // drafted)
    tensors["d2t"] = ids - torch.arange(drafted)
    tensors["t2d"] = torch.zeros(config["vocab_size"], dtype=torch.bool).index_fill_(0, ids, True)
    return tensors


def stored(config: dict[str, Any], tensors: dict[str, Tensor]) -> StoredTensors:
    """A checkpoint that was never written."""
    return StoredTensors("tiny", config, tensors, {})


def save_eagle(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write it as it is published, in safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    return folder
