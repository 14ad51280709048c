"""Model folders without weights: a configuration in the shape of a published model, and a tiny tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    GenerationConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from tests.models.saved import tiny_tokenizer

_QWEN: dict[str, Any] = {"dtype": "bfloat16", "max_position_embeddings": 32768, "eos_token_id": 1}
_PYTHIA: dict[str, Any] = {"dtype": "float16", "max_position_embeddings": 2048, "eos_token_id": 1}

SHAPES: dict[str, PreTrainedConfig] = {
    "qwen2.5-7b": Qwen2Config(
        vocab_size=152064, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28,
        num_key_value_heads=4, **_QWEN,
    ),
    "qwen2.5-0.5b": Qwen2Config(
        vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
        num_key_value_heads=2, tie_word_embeddings=True, **_QWEN,
    ),
    "pythia-12b": GPTNeoXConfig(
        vocab_size=50688, hidden_size=5120, intermediate_size=20480, num_hidden_layers=36, num_attention_heads=40,
        **_PYTHIA,
    ),
    "pythia-70m": GPTNeoXConfig(
        vocab_size=50304, hidden_size=512, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=8,
        **_PYTHIA,
    ),
    "mamba-130m": MambaConfig(vocab_size=50280, hidden_size=768, num_hidden_layers=24, eos_token_id=1),
    "llama-405b": LlamaConfig(
        vocab_size=128256, hidden_size=16384, intermediate_size=53248, num_hidden_layers=126, num_attention_heads=128,
        num_key_value_heads=8, dtype="bfloat16", max_position_embeddings=131072, eos_token_id=1,
    ),
}  # fmt: skip


def save_shape(name: str, folder: Path, tokenizer: PreTrainedTokenizerFast | None = None, **generation: Any) -> Path:
    """Write config.json, the tokenizer and, where settings are given, a generation config."""
    SHAPES[name].save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    if generation:
        GenerationConfig(**generation).save_pretrained(folder)
    return folder
