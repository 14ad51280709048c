"""Drive a Hugging Face causal language model: one forward pass at a time, over a cache that can be rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from draftlab.engines.loading import Checkpoint, open_checkpoint
from draftlab.errors import ContractError
from draftlab.models import LoadOptions, ModelSource
from draftlab.spec import Sampling
from draftlab.types import LoadedModel


class TransformersModel:
    """Batch size one. Positions and masks are the library's own, from the length of its cache."""

    def __init__(self, model: Any, name: str) -> None:
        self.name = name
        self._model = model
        self._device = model.get_input_embeddings().weight.device
        self._length = 0
        self._cache = self._new_cache()

    @property
    def vocab_size(self) -> int:
        return int(self._model.get_output_embeddings().weight.shape[0])

    @property
    def context_length(self) -> int | None:
        limit = getattr(self._model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        return int(limit) if limit else None

    @property
    def length(self) -> int:
        return self._length

    def reset(self) -> None:
        self._length = 0
        self._cache = self._new_cache()

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        ids = torch.tensor([list(tokens)], device=self._device)
        keep = len(tokens) if num_rows is None else num_rows
        out = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=keep)
        self._length += len(tokens)
        logits: Tensor = out.logits[0]
        return logits

    def rollback(self, length: int) -> None:
        removed = self._length - length
        if removed < 0:
            raise ContractError(f"cannot roll back to {length} tokens: {self._length} are cached")
        if self._length:
            # Also when nothing is removed: it lets sliding windows drop what they kept for a rollback.
            self._cache.crop(-removed)
        self._length = length

    def generate(
        self, prompt: Sequence[int], *, max_new_tokens: int, sampling: Sampling, stop_tokens: Sequence[int], seed: int
    ) -> list[int]:
        """The library's own `generate`, in the same decoding configuration; the loop's baseline is held against it."""
        config = GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=sampling.temperature > 0.0,
            temperature=sampling.temperature or 1.0,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            eos_token_id=list(stop_tokens) or None,
            pad_token_id=stop_tokens[0] if stop_tokens else 0,
        )
        ids = torch.tensor([list(prompt)], device=self._device)
        torch.manual_seed(seed % 2**63)
        out = self._model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        return list(out[0, len(prompt) :].tolist())

    def synchronize(self) -> None:
        """Wait until the device has done all that it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        elif self._device.type == "mps":
            torch.mps.synchronize()

    def _new_cache(self) -> DynamicCache:
        cache = DynamicCache(config=self._model.config)
        cache.activate_past_recording()
        return cache


def load(source: ModelSource, options: LoadOptions) -> LoadedModel:
    """Load a causal language model with its tokenizer; what cannot work is refused before the weights are read."""
    checkpoint: Checkpoint = open_checkpoint(source, options)
    tokenizer = checkpoint.load_tokenizer()
    network = checkpoint.load_network()
    model = TransformersModel(network, source.reference)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        defaults=checkpoint.decoding_defaults(network),
        description=checkpoint.describe(network),
        fingerprint=checkpoint.fingerprint,
        synchronize=model.synchronize,
    )
