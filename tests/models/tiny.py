"""Random networks of real families, small enough for hundreds of decodes and sharp enough to write varied texts."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedConfig,
    Qwen2Config,
)

FAMILIES = ("gpt2", "gpt_neox", "qwen2", "llama", "gemma3")
REAL = 48  # ids below it stand for tokens; the rest of a width is padding, as Pythia and Qwen2.5 have it
WIDTH = 60
DRAFTER_WIDTHS = {"narrower": 56, "wider": 64}
SEEDS = {"gpt2": 5, "gpt_neox": 6, "qwen2": 2, "llama": 1, "gemma3": 4}  # whose texts vary and stop here and there
NOISE = {"gpt2": 0.04, "gpt_neox": 0.03, "qwen2": 0.025, "llama": 0.025, "gemma3": 0.06}  # of drafters
WINDOW = 6  # of gemma3's sliding layer; every text is longer
CONTEXT = 64


def tiny_config(family: str, vocab_size: int, *, hidden: int = 32, context: int = CONTEXT) -> PreTrainedConfig:
    """A configuration of two layers; tokens that begin, end and pad a text are left to the tests."""
    shared: dict[str, Any] = {
        "vocab_size": vocab_size,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "tie_word_embeddings": False,  # a tied random network repeats its last token
    }
    if family == "gpt2":
        return GPT2Config(n_positions=context, n_embd=hidden, n_layer=2, n_head=2, **shared)
    shared |= {
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": context,
    }
    match family:
        case "gpt_neox":
            return GPTNeoXConfig(**shared)
        case "qwen2":
            return Qwen2Config(num_key_value_heads=1, **shared)
        case "llama":
            return LlamaConfig(num_key_value_heads=1, **shared)
        case "gemma3":
            return Gemma3TextConfig(
                num_key_value_heads=1,
                head_dim=hidden // 2,
                query_pre_attn_scalar=hidden // 2,
                sliding_window=WINDOW,
                layer_types=["sliding_attention", "full_attention"],
                **shared,
            )
    raise ValueError(family)


@torch.no_grad()
def random_network(config: PreTrainedConfig, *, seed: int, gain: float = 2.5, real: int = REAL) -> Any:
    """A float32 network of standard normal weights times `gain`; padding ids have the logit 0, which never wins."""
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    chance = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=chance)
        if parameter.ndim == 1:
            parameter += 0.1 * noise
        else:
            parameter.copy_(gain / math.sqrt(config.hidden_size) * noise)
    network.get_output_embeddings().weight[real:] = 0.0
    return network


@torch.no_grad()
def derived_network(network: Any, vocab_size: int, *, noise: float, seed: int = 1, context: int | None = None) -> Any:
    """The same network with noise on its weights and another width: a drafter that is often but not always right.

    Rows that the original lacks are random, so a wider drafter likes tokens that its target does not have.
    """
    config = copy.deepcopy(network.config)
    config.vocab_size = vocab_size
    config.max_position_embeddings = context or config.max_position_embeddings
    derived = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    chance = torch.Generator().manual_seed(seed)
    for mine, theirs in zip(derived.parameters(), network.parameters(), strict=True):
        spread = theirs.std() if theirs.ndim > 1 else torch.zeros(())
        rows = min(len(mine), len(theirs))
        mine.copy_(2.0 * spread * torch.randn(mine.shape, generator=chance))
        mine[:rows] = theirs[:rows] + noise * spread * torch.randn(theirs[:rows].shape, generator=chance)
    return derived


@dataclass(frozen=True)
class Family:
    """A target with two drafters, whose vocabularies are padded to fewer and to more rows."""

    name: str
    network: Any
    drafters: dict[str, Any]


@cache
def tiny_family(name: str) -> Family:
    """The family called `name`; networks are read only, so one copy serves every test."""
    network = random_network(tiny_config(name, WIDTH), seed=SEEDS[name])
    drafters = {which: derived_network(network, size, noise=NOISE[name]) for which, size in DRAFTER_WIDTHS.items()}
    return Family(name, network, drafters)


@cache
def letter_family(name: str) -> Family:
    """The same with four tokens, and drafters of three and five: all texts that it can write can be listed.

    Nothing is padding here, so the target writes tokens that the narrower drafter lacks.
    """
    gain = 0.5 if name == "gemma3" else 1.0  # flat enough that every branch has weight
    network = random_network(tiny_config(name, 4, hidden=16), seed=SEEDS[name], gain=gain, real=4)
    drafters = {which: derived_network(network, size, noise=0.3) for which, size in (("narrower", 3), ("wider", 5))}
    return Family(name, network, drafters)
