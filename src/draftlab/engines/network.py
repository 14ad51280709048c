"""What every way of driving a Hugging Face network has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from draftlab.engines.hidden_states import NetworkTap, decoder_layers
from draftlab.errors import UnsupportedError
from draftlab.spec import Sampling


def input_device(network: Any) -> torch.device:
    """Where token ids have to be."""
    layer = network.get_input_embeddings()
    if not layer.weight.is_meta:
        device: torch.device = layer.weight.device
        return device
    # accelerate has taken the weights away until the layer runs, and its hook knows where that will be.
    return torch.device(layer._hf_hook.execution_device)


class HuggingFaceNetwork:
    """A causal language model in memory, batch size one."""

    def __init__(self, network: Any, name: str) -> None:
        self.name = name
        self._network = network
        self._device = input_device(network)
        self._length = 0
        self._taps: list[NetworkTap] = []
        devices = {self._device, *(parameter.device for parameter in network.parameters())}
        self._cuda_devices = {device for device in devices if device.type == "cuda"}

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
        return self._whole(self._network.get_input_embeddings().weight, "embedding")

    def head(self) -> Tensor:
        return self._whole(self._network.get_output_embeddings().weight, "head")

    def _whole(self, weight: Any, what: str) -> Tensor:
        if weight.is_meta:
            raise UnsupportedError(
                f"the {what} of '{self.name}' does not fit its GPUs, and a drafter that shares it cannot read it there",
                "Use a drafter without hidden states, such as ngram.",
            )
        # Of a split network this asks all of its processes.
        weight = weight.full_tensor() if hasattr(weight, "full_tensor") else weight
        whole: Tensor = weight.detach()
        return whole

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
