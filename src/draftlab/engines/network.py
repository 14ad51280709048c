"""What every way of driving a Hugging Face network has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from draftlab.engines.hidden_states import NetworkTap, decoder_layers
from draftlab.spec import Sampling


class HuggingFaceNetwork:
    """A causal language model in memory, batch size one."""

    def __init__(self, network: Any, name: str) -> None:
        self.name = name
        self._network = network
        self._device = network.get_input_embeddings().weight.device
        self._length = 0
        self._taps: list[NetworkTap] = []
        self._cuda_devices = {p.device for p in network.parameters() if p.device.type == "cuda"}

    @property
    def vocab_size(self) -> int:
        return int(self._network.get_output_embeddings().out_features)

    @property
    def context_length(self) -> int | None:
        limit = getattr(self._network.config.get_text_config(decoder=True), "max_position_embeddings", None)
        return int(limit) if limit else None

    @property
    def length(self) -> int:
        return self._length

    @property
    def num_layers(self) -> int:
        return len(decoder_layers(self._network))

    @property
    def hidden_size(self) -> int:
        return int(self._network.config.get_text_config(decoder=True).hidden_size)

    def embedding(self) -> Tensor:
        weight: Tensor = self._network.get_input_embeddings().weight.detach()
        return weight

    def head(self) -> Tensor:
        weight: Tensor = self._network.get_output_embeddings().weight.detach()
        return weight

    def features(self, layers: Sequence[int]) -> NetworkTap:
        """Keep hidden states until the next reset, so that no other drafter's decode pays for it."""
        tap = NetworkTap(self._network, layers)
        self._taps.append(tap)
        return tap

    def _forget_features(self) -> None:
        while self._taps:
            self._taps.pop().close()

    def generate(
        self, prompt: Sequence[int], *, max_new_tokens: int, sampling: Sampling, stop_tokens: Sequence[int], seed: int
    ) -> list[int]:
        """The library's own `generate`, in the same decoding configuration; the loop's baseline is held against it."""
        self._forget_features()
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
        own = self._network.generation_config
        try:
            # What is None above would be filled from the checkpoint's own config: stop tokens that are to be ignored,
            # settings that draftlab does not apply.
            self._network.generation_config = GenerationConfig()
            out = self._network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        finally:
            self._network.generation_config = own
        return list(out[0, len(prompt) :].tolist())

    def synchronize(self) -> None:
        """Wait until the device has done all that it was given."""
        for device in self._cuda_devices:
            torch.cuda.synchronize(device)
        if self._device.type == "mps":
            torch.mps.synchronize()
