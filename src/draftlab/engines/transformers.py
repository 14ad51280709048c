"""Drive a Hugging Face causal language model: one forward pass at a time, over a cache that can be rolled back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from draftlab.engines.captured import CapturedModel
from draftlab.engines.compression import arrange_linear_layers
from draftlab.engines.fixed_shape import FixedShapeModel, require_exact
from draftlab.engines.growing_cache import growing_cache
from draftlab.engines.loading import Checkpoint, open_checkpoint
from draftlab.engines.network import HuggingFaceNetwork
from draftlab.engines.restricted_head import restrict_head
from draftlab.engines.settings import decoding_defaults
from draftlab.engines.split import SplitModel, load_split
from draftlab.engines.tokenizer import HuggingFaceTokenizer
from draftlab.errors import ContractError
from draftlab.models import LoadOptions, ModelSource
from draftlab.types import LoadedModel


class TransformersModel(HuggingFaceNetwork):
    """Grows its cache as the text grows. Positions and masks are the library's own, from the length of its cache."""

    def __init__(self, network: Any, name: str) -> None:
        super().__init__(network, name)
        self._cache = growing_cache(network.config, None)
        self.reset()

    def reset(self, capacity: int | None = None) -> None:
        self._forget_features()
        self._length = 0
        self._settled = 0  # a rollback goes no further back: sliding windows have dropped what lies before
        self._cache = growing_cache(self._network.config, capacity, self._cache)
        self._cache.activate_past_recording()

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        ids = torch.tensor([list(tokens)], device=self._device)
        keep = len(tokens) if num_rows is None else num_rows
        out = self._network(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=keep)
        self._length += len(tokens)
        for tap in self._taps:
            tap.passed(len(tokens))
        logits: Tensor = out.logits[0]
        return logits

    def rollback(self, length: int) -> None:
        if length > self._length:
            raise ContractError(f"cannot roll back to {length} tokens: {self._length} are cached")
        if length < self._settled:
            raise ContractError(f"cannot roll back to {length} tokens: the first {self._settled} are settled")
        for tap in self._taps:
            tap.shorten(length)
        if self._length:
            # Also when nothing is removed: it lets sliding windows drop what they kept for a rollback.
            self._cache.crop(length - self._length)
        self._length = self._settled = length


Driven = TransformersModel | FixedShapeModel | CapturedModel


def load(source: ModelSource, options: LoadOptions) -> LoadedModel:
    """Load a causal language model with its tokenizer; what cannot work is refused before the weights are read."""
    checkpoint: Checkpoint = open_checkpoint(source, options)
    tokenizer = checkpoint.load_tokenizer()
    network, model, facts = _split(checkpoint) if options.tensor_parallel > 1 else _whole(checkpoint, tokenizer)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        defaults=decoding_defaults(network.generation_config),
        description=facts,
        fingerprint=checkpoint.fingerprint,
        synchronize=model.synchronize,
        close=model.close if isinstance(model, SplitModel) else lambda: None,
    )


def _split(checkpoint: Checkpoint) -> tuple[Any, SplitModel, dict[str, Any]]:
    """A target in parts. Its layers stay plain: the best form is measured, and no process passes by itself."""
    network, ranks = load_split(checkpoint)
    model = SplitModel(TransformersModel(network, checkpoint.source.reference), ranks)
    facts = {"linear": "plain", "tensor_parallel": checkpoint.options.tensor_parallel, "launches": "eager"}
    return network, model, checkpoint.describe(network) | facts


def _whole(checkpoint: Checkpoint, tokenizer: HuggingFaceTokenizer) -> tuple[Any, Driven, dict[str, Any]]:
    """The network in the form that suits its device and `options`, what drives it, and what it is."""
    options, name = checkpoint.options, checkpoint.source.reference
    network = checkpoint.load_network()
    description = checkpoint.describe(network)
    if options.head:  # before the layers are arranged, which is measured on what is left of it
        restrict_head(network, options.head, tokenizer.added_ids(), name)
        description["head"] = options.head
    description |= arrange_linear_layers(network, tokenizer.encode, options, name)
    model: Driven
    if options.fixed_rows is not None:
        model = FixedShapeModel(network, name, options.fixed_rows)
        require_exact(model)
    else:
        model = _captured(network, options, name) or TransformersModel(network, name)
    description["launches"] = "captured" if isinstance(model, CapturedModel) else "eager"
    return network, model, description


def _captured(network: Any, options: LoadOptions, name: str) -> CapturedModel | None:
    """The network with its passes captured as CUDA graphs, where there is one CUDA device for all of it."""
    devices = {parameter.device for parameter in network.parameters()}
    if not options.capture or {device.type for device in devices} != {"cuda"}:
        return None
    if len(devices) > 1:
        options.say(f"{name}: without CUDA graphs: its weights are spread over {len(devices)} devices")
        return None
    options.say(f"{name}: capturing CUDA graphs")
    model = CapturedModel(network, name, max(1, options.most_rows), options.say)
    model.prepare(options.most_rows, options.most_drafted, options.draft_width)
    return model if model.captures else None
