"""The three pairs: configurations as the published checkpoints have them, and tiny ones of the same families.

Nothing ends a text: with random weights an end would come anywhere.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from transformers import GPT2Config, GPTNeoXConfig, PreTrainedConfig, Qwen2Config

_ENDLESS: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
_PYTHIA: dict[str, Any] = {
    "max_position_embeddings": 2048,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    "tie_word_embeddings": False,
    **_ENDLESS,
}
_GPT2: dict[str, Any] = {"vocab_size": 50257, "n_positions": 1024, "tie_word_embeddings": True, **_ENDLESS}
_QWEN: dict[str, Any] = {
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "rms_norm_eps": 1e-6,
    **_ENDLESS,
}


@dataclass(frozen=True)
class Pair:
    """A target and a drafter."""

    name: str
    target: PreTrainedConfig
    drafter: PreTrainedConfig


def real_pairs() -> dict[str, Pair]:
    """By short name: Qwen2.5-7B and 0.5B, pythia-12b and 70m, gpt2-large and distilgpt2."""
    return {
        "qwen2.5": Pair(
            "Qwen2.5-7B/0.5B",
            Qwen2Config(
                vocab_size=152064, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
                num_attention_heads=28, num_key_value_heads=4, max_position_embeddings=131072,
                tie_word_embeddings=False, **copy.deepcopy(_QWEN),
            ),
            Qwen2Config(
                vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
                num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32768,
                tie_word_embeddings=True, **copy.deepcopy(_QWEN),
            ),
        ),
        "pythia": Pair(
            "pythia-12b/70m",
            GPTNeoXConfig(
                vocab_size=50688, hidden_size=5120, intermediate_size=20480, num_hidden_layers=36,
                num_attention_heads=40, **copy.deepcopy(_PYTHIA),
            ),
            GPTNeoXConfig(
                vocab_size=50304, hidden_size=512, intermediate_size=2048, num_hidden_layers=6,
                num_attention_heads=8, **copy.deepcopy(_PYTHIA),
            ),
        ),
        "gpt2": Pair(
            "gpt2-large/distilgpt2",
            GPT2Config(n_embd=1280, n_layer=36, n_head=20, **_GPT2),
            GPT2Config(n_embd=768, n_layer=6, n_head=12, **_GPT2),
        ),
    }  # fmt: skip


def tiny_pairs() -> dict[str, Pair]:
    """The same families and the same differences in padding, small enough for any CPU."""
    pairs = real_pairs()
    for name, pair in pairs.items():
        wide = pair.target.vocab_size > pair.drafter.vocab_size
        pairs[name] = Pair(f"{pair.name} (tiny)", _tiny(pair.target, 320 if wide else 256), _tiny(pair.drafter, 256))
    return pairs


def _tiny(config: PreTrainedConfig, vocab_size: int) -> PreTrainedConfig:
    config.update({"vocab_size": vocab_size, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4})
    if hasattr(config, "intermediate_size"):
        config.intermediate_size = 128
    if hasattr(config, "num_key_value_heads"):
        config.num_key_value_heads = 2
        config.layer_types = config.layer_types[:2]
    return config
