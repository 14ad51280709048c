"""What a model's files say of it: its configuration, tokenizer and generation config, and no weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from huggingface_hub import try_to_load_from_cache
from transformers import DynamicCache

from draftlab.engines import ENGINES
from draftlab.engines.checkpoint import weight_files
from draftlab.engines.loading import Checkpoint, open_checkpoint
from draftlab.engines.settings import decoding_defaults
from draftlab.models import LoadOptions, ModelSource
from draftlab.types import Tokenizer

Weights = Literal["here", "pickled", "missing"]


class CheckpointTokenizer(Tokenizer, Protocol):
    """A tokenizer that came from files."""

    def end_of_text(self) -> int | None: ...
    def chat_template(self) -> str | None: ...


@dataclass(frozen=True)
class CacheLayer:
    """What one layer keeps of the text: so many bytes for each token, of a window of them where it has one."""

    bytes_per_token: int
    window: int | None

    def bytes_at(self, context: int) -> int:
        return self.bytes_per_token * min(context, self.window or context)


@dataclass(frozen=True)
class Facts:
    """A model, looked at from outside."""

    reference: str
    architecture: str
    width: int
    """Rows of the head, padding included: `config.vocab_size`, which is what other engines compare."""
    tokenizer: Tokenizer
    context_length: int | None
    dtype: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The generation config, only what is set."""
    end_of_text: int | None = None
    chat_template: str | None = None
    num_parameters: int = 0
    num_layers: int | None = None
    weight_bytes: int = 0
    cache: tuple[CacheLayer, ...] = ()
    recurrent: bool = False
    weights: Weights = "here"
    checkpoint: Checkpoint | None = None
    """None for a toy, which has no files."""

    @property
    def stop_tokens(self) -> frozenset[int]:
        return frozenset(self.settings.get("eos_token_id", ()))

    @property
    def num_tokens(self) -> int:
        """How many rows the tokenizer needs: its largest id and one."""
        return max(self.tokenizer.vocabulary(), default=-1) + 1

    @property
    def windows(self) -> set[int]:
        return {layer.window for layer in self.cache if layer.window}

    def bytes_at(self, context: int) -> int:
        """Weights and cache with a text of `context` tokens."""
        return self.weight_bytes + sum(layer.bytes_at(context) for layer in self.cache)


def read_facts(source: ModelSource, options: LoadOptions) -> Facts:
    """Look at the files of `source`. What is damaged or missing beside the weights is refused."""
    if source.kind == "toy":
        return _toy(source, options)
    checkpoint = open_checkpoint(source, options, weights=False)
    tokenizer = checkpoint.load_tokenizer()
    empty = checkpoint.empty_network()
    recurrent = checkpoint.keeps_recurrent_state(empty)
    num_parameters = sum(p.numel() for p in empty.parameters())
    text = checkpoint.config.get_text_config(decoder=True)
    limit = getattr(text, "max_position_embeddings", None)
    return Facts(
        reference=source.reference,
        architecture=type(empty).__name__,
        width=int(text.vocab_size),
        tokenizer=tokenizer,
        context_length=int(limit) if limit else None,
        dtype=str(checkpoint.dtype).removeprefix("torch."),
        settings=decoding_defaults(checkpoint.generation_config()),
        end_of_text=tokenizer.end_of_text(),
        chat_template=tokenizer.chat_template(),
        num_parameters=num_parameters,
        num_layers=getattr(text, "num_hidden_layers", None),
        weight_bytes=num_parameters * checkpoint.dtype.itemsize,
        cache=() if recurrent else _cache(checkpoint.config, text, checkpoint.dtype.itemsize),
        recurrent=recurrent,
        weights=_weights(checkpoint),
        checkpoint=checkpoint,
    )


def _toy(source: ModelSource, options: LoadOptions) -> Facts:
    loaded = ENGINES.load(source.engine)(source, options)
    return Facts(
        reference=source.reference,
        architecture=type(loaded.model).__name__,
        width=loaded.model.vocab_size,
        tokenizer=loaded.tokenizer,
        context_length=loaded.model.context_length,
        dtype=loaded.description["dtype"],
        settings=loaded.defaults,
    )


def _cache(config: Any, text: Any, itemsize: int) -> tuple[CacheLayer, ...]:
    """One entry for each layer that keeps keys and values. Families with caches of their own come out roughly right."""
    heads = _number(text, "num_key_value_heads") or _number(text, "num_attention_heads")
    if getattr(text, "multi_query", False) and not getattr(text, "new_decoder_architecture", False):
        heads = 1  # Falcon
    width = _number(text, "head_dim") or (_number(text, "hidden_size") // (_number(text, "num_attention_heads") or 1))
    numbers = 2 * heads * width
    if compressed := _number(text, "kv_lora_rank"):
        numbers = compressed + _number(text, "qk_rope_head_dim")  # DeepSeek keeps what all heads are made from
    layers = cast("list[Any]", DynamicCache(config=config).layers)
    return tuple(CacheLayer(numbers * itemsize, getattr(layer, "sliding_window", None)) for layer in layers)


def _number(config: Any, name: str) -> int:
    """A size of a configuration; the largest where it differs by layer, 0 where there is none."""
    value = getattr(config, name, None)
    if isinstance(value, list | tuple):
        value = max((v for v in value if isinstance(v, int)), default=0)
    return value if isinstance(value, int) else 0


def _weights(checkpoint: Checkpoint) -> Weights:
    if "gguf_file" in checkpoint.where:
        return "here"
    if checkpoint.source.kind == "hub":
        names = ("model.safetensors", "model.safetensors.index.json")
        found = [isinstance(try_to_load_from_cache(checkpoint.path, name), str) for name in names]
        return "here" if any(found) else "missing"
    files = weight_files(Path(checkpoint.path))
    if not files:
        return "missing"
    pickled = files[0].suffix != ".safetensors" and not checkpoint.options.allow_pickle
    return "pickled" if pickled else "here"
