"""What transformers' own `generate` writes: the reference, which shares no code with draftlab."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from tests.models.tiny import REAL, tiny_family

MAX_NEW_TOKENS = 24
STOP = frozenset({7, 11, 19, 31, 43})


def _prompts() -> list[list[int]]:
    chance = torch.Generator().manual_seed(0)
    return [torch.randint(REAL, (3 + i % 10,), generator=chance).tolist() for i in range(20)]


PROMPTS = _prompts()


def generate(
    network: Any, prompt: Sequence[int], max_new_tokens: int, stop: frozenset[int] = STOP, **settings: Any
) -> list[int]:
    """The new tokens of greedy `generate`, up to and with the first stop."""
    ids = torch.tensor([list(prompt)])
    out = network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(stop) or None,
        pad_token_id=0,
        **settings,
    )
    tokens: list[int] = out[0, len(prompt) :].tolist()
    return tokens


@cache
def native_texts(family: str, repetition_penalty: float = 1.0) -> list[list[int]]:
    """The greedy text after each prompt, computed once for all gammas and drafters."""
    network = tiny_family(family).network
    return [generate(network, prompt, MAX_NEW_TOKENS, repetition_penalty=repetition_penalty) for prompt in PROMPTS]
