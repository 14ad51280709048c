"""Assisted generation of transformers behind the audit's contract; an example of an adapter, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from draftlab.audit.adapter import Generate, Setting
from draftlab.spec import Sampling


class Assisted:
    """`generate(assistant_model=...)`, or `generate(prompt_lookup_num_tokens=...)` where there is no drafter."""

    def __init__(self, setting: Setting) -> None:
        self._target = _load(setting.target, setting)
        self._stop = self._target.generation_config.eos_token_id
        self._target.generation_config = GenerationConfig()  # what is not given below is off
        self.networks: dict[str, Any] = {"target": self._target}
        self._how: dict[str, Any] = {"prompt_lookup_num_tokens": setting.gamma}
        if setting.drafter is not None:
            assistant = _load(setting.drafter, setting)
            # The draft length counts on the assistant alone; given to `generate` it is ignored without a word.
            assistant.generation_config = GenerationConfig(
                num_assistant_tokens=setting.gamma,
                num_assistant_tokens_schedule="constant",
                assistant_confidence_threshold=0.0,
            )
            self.networks["drafter"] = assistant
            self._how = {"assistant_model": assistant}
            if assistant.config.vocab_size != self._target.config.vocab_size:
                self._how["tokenizer"] = AutoTokenizer.from_pretrained(setting.target)
                self._how["assistant_tokenizer"] = AutoTokenizer.from_pretrained(setting.drafter)

    def __call__(self, prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> list[int]:
        ids = torch.tensor([list(prompt)], device=self._target.device)
        torch.manual_seed(seed)
        sampled: dict[str, Any] = {}
        if sampling.temperature:
            sampled = sampling.model_dump(include={"temperature", "top_k", "top_p"})
            sampled["min_p"] = sampling.min_p or None
        config = GenerationConfig(
            max_new_tokens=num_tokens,
            do_sample=sampling.temperature > 0.0,
            repetition_penalty=sampling.repetition_penalty,
            eos_token_id=self._stop,
            pad_token_id=0,
            **sampled,
        )
        out = self._target.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, **self._how)
        return list(out[0, len(prompt) :].tolist())


def transformers_assisted(setting: Setting) -> Generate:
    """The adapter of `--of transformers`."""
    return Assisted(setting)


def _load(folder: str, setting: Setting) -> Any:
    dtype = getattr(torch, setting.dtype)
    network: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    return network.to(setting.device).eval()
