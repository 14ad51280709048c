"""transformers and flashspec, each called as its documentation says, on the networks that they share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import torch
from transformers import GenerationConfig

from benchmarks.side_by_side.arms import Arm
from benchmarks.side_by_side.networks import Networks
from benchmarks.side_by_side.subject import Generate, Subject, in_this_process

HOW_TO_GET_FLASHSPEC = "sh benchmarks/audits/environment.sh .venv /tmp/peers, then run with /tmp/peers/bin/python"


def has_flashspec() -> bool:
    return find_spec("flashspec") is not None


def transformers_subject(networks: Networks) -> Subject:
    """Plain greedy `generate`."""
    return in_this_process(_generate(networks.target))


def assisted_subject(networks: Networks, arm: Arm) -> Subject:
    """Assisted generation, at the library's defaults or always drafting as many tokens.

    A draft length given to `generate` is ignored: it is read from the drafter's own generation config.
    """
    setting = GenerationConfig()
    if arm.gamma is not None:
        setting = GenerationConfig(
            num_assistant_tokens=arm.gamma,
            num_assistant_tokens_schedule="constant",
            assistant_confidence_threshold=0.0,
        )
    plain = _generate(networks.target, assistant_model=networks.drafter)

    def generate(prompt: Sequence[int], num_tokens: int) -> Sequence[int]:
        networks.drafter.generation_config = setting
        return plain(prompt, num_tokens)

    return in_this_process(generate)


def _generate(network: Any, **arguments: Any) -> Generate:
    def generate(prompt: Sequence[int], num_tokens: int) -> Sequence[int]:
        ids = torch.tensor([list(prompt)])
        config = GenerationConfig(max_new_tokens=num_tokens, do_sample=False, eos_token_id=None, pad_token_id=0)
        out = network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, **arguments)
        tokens: list[int] = out[0, len(prompt) :].tolist()
        return tokens

    return generate


def flashspec_subject(networks: Networks, arm: Arm) -> Subject:
    """flashspec's `SpeculativeEngine`: its default strategy, or the model drafter at a fixed length. No stop tokens is
    its default."""
    from flashspec import FlashSpecConfig, SamplingConfig, SpeculativeEngine
    from flashspec.engine import ArmSpec, HuggingFaceDrafter, TargetModel

    device = torch.device("cpu")
    target = TargetModel(networks.target_name, device, networks.target.dtype, model=networks.target)
    drafter = HuggingFaceDrafter(networks.drafter_name, device, networks.drafter.dtype, model=networks.drafter)
    arms = None if arm.gamma is None else [ArmSpec(drafter=0, gamma=arm.gamma)]
    sampling = SamplingConfig(temperature=0.0, seed=0, **({} if arm.gamma is None else {"gamma": arm.gamma}))
    engine = SpeculativeEngine(FlashSpecConfig(device="cpu", sampling=sampling), [drafter], target, arms=arms)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("flashspec")]:
        logging.getLogger(name).setLevel(logging.WARNING)

    def generate(prompt: Sequence[int], num_tokens: int) -> Sequence[int]:
        result = engine.generate(torch.tensor([list(prompt)]), max_new_tokens=num_tokens)
        tokens: list[int] = result.output_ids[0, : result.n_tokens_generated].tolist()
        return tokens

    return in_this_process(generate)
