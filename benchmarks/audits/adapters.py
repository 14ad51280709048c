"""Other implementations of speculative decoding, for `draftlab audit --of benchmarks.audits.adapters:NAME`.

`environment.sh` makes the environment that has them. Each is called as its own documentation says, at its own
defaults except gamma, the sampling settings and the dtype. None of them stops at an end-of-text token here, so every
text has the length that was asked for. What a peer does not offer is refused, not imitated.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from draftlab.audit.adapter import Generate, Setting
from draftlab.errors import UnsupportedError
from draftlab.spec import Sampling

# ---- the peers ------------------------------------------------------------------------------------------------------


def flashspec(setting: Setting) -> Generate:
    """flashspec 0.3.1, the model drafter at gamma (README, "API at a glance": `arms=`, here one `ArmSpec`).

    The seed is flashspec's own (`SamplingConfig.seed`), which belongs to an engine; so each call makes an engine, a
    matter of microseconds, around the same loaded models. No stop tokens is its default.
    """
    from flashspec.engine import ArmSpec

    return _flashspec(setting, arms=[ArmSpec(drafter=0, gamma=setting.gamma)])


def flashspec_default(setting: Setting) -> Generate:
    """flashspec 0.3.1 as in its README's quickstart: `drafter_strategy="auto"`, which with one model drafter is
    `composite-g6-f2` (prompt lookup of up to 6 tokens, else 2 of the model drafter). It ignores gamma."""
    return _flashspec(setting, arms=None)


def economize(setting: Setting) -> Generate:
    """economize 0.3.2 with `DraftModelConfig` (docstring of `economize.techniques.draft_model`; README, "Quick start").

    `generate` takes the arguments of transformers; sampling names the verifier "rejection", as the README says. A
    cycle of N tokens drafts N - 1 of them. Random numbers come from torch's global generator. economize runs the
    layers itself and never calls the models' own `forward`; so `networks` holds their embeddings, through which
    every token goes once.
    """
    import economize as package
    from economize.techniques.draft_model import DraftModelConfig

    drafter = _model_drafter(setting)
    target = _load(setting.target, setting)
    target.generation_config = GenerationConfig()  # without the checkpoint's stop tokens and sampling settings
    model = package.apply(target, DraftModelConfig(model=drafter, dtype=setting.dtype))
    greedy = package.DecodeConfig(cycle_length=setting.gamma + 1)
    rejection = package.DecodeConfig(cycle_length=setting.gamma + 1, verifier="rejection")

    def generate(prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> list[int]:
        _seed_all(seed)
        arguments: dict[str, Any] = {"decoding": greedy, "do_sample": False}
        if sampling.temperature > 0:
            arguments = {
                "decoding": rejection,
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_k": sampling.top_k,
                "top_p": sampling.top_p,
                "min_p": sampling.min_p,
            }
        arguments["repetition_penalty"] = sampling.repetition_penalty
        ids = torch.tensor([prompt], device=setting.device)
        output = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=num_tokens, **arguments)
        return cast("list[int]", output[0, len(prompt) :].tolist())

    draft_model = model.techniques["draft_model"].draft_model
    networks = {"target": target.get_input_embeddings(), "drafter": draft_model.get_input_embeddings()}
    return _with_networks(generate, networks)


def sequential_sd_standard(setting: Setting) -> Generate:
    """sequential-speculative-decoding 0.1.1, `method="standard"` (see `_sequential`)."""
    return _sequential(setting, "standard")


def sequential_sd_capped_hsd(setting: Setting) -> Generate:
    """sequential-speculative-decoding 0.1.1, `method="capped_hsd"` (see `_sequential`)."""
    return _sequential(setting, "capped_hsd")


def sequential_sd_naive_hsd(setting: Setting) -> Generate:
    """sequential-speculative-decoding 0.1.1, `method="naive_hsd"` (see `_sequential`)."""
    return _sequential(setting, "naive_hsd")


def specdec(setting: Setting) -> Generate:
    """specdec 0.2.0, `SpecDecoder.spec_gen`, which its command line calls.

    It samples at temperature 1 and offers nothing else; it ignores stop tokens and may return a few tokens more than
    asked for, which are cut. It takes and returns text: `_IdsAsText` stands for its tokenizer. Random numbers come
    from torch's global generator.
    """
    from specdec import SpecDecoder

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it loads
        decoder = SpecDecoder(_model_drafter(setting), setting.target, device=setting.device)
    if setting.dtype != "auto":  # it has no option for it
        decoder.small_model.to(getattr(torch, setting.dtype))
        decoder.big_model.to(getattr(torch, setting.dtype))
    decoder.tokenizer = _IdsAsText()

    def generate(prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> list[int]:
        _refuse_beyond("specdec", sampling)
        if sampling.temperature != 1:
            raise UnsupportedError("specdec samples at temperature 1 only", "Audit it at --temperature 1.")
        _seed_all(seed)
        text = decoder.spec_gen(_IdsAsText.write(prompt), num_tokens, setting.gamma)
        return _IdsAsText.read(text)[len(prompt) :][:num_tokens]

    return _with_networks(generate, {"target": decoder.big_model, "drafter": decoder.small_model})


# ---- what several of them share -------------------------------------------------------------------------------------


def _flashspec(setting: Setting, arms: Sequence[Any] | None) -> Generate:
    """flashspec's `SpeculativeEngine`, made as in its README ("Quickstart", "Greedy or sampling")."""
    from flashspec import FlashSpecConfig, SamplingConfig, SpeculativeEngine
    from flashspec.engine import HuggingFaceDrafter, TargetModel

    device = torch.device(setting.device)
    big, small = _load(setting.target, setting), _load(_model_drafter(setting), setting)
    target = TargetModel(setting.target, device, big.dtype, model=big)
    drafter = HuggingFaceDrafter(_model_drafter(setting), device, small.dtype, model=small)

    def generate(prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> list[int]:
        _refuse_beyond("flashspec", sampling)
        if sampling.temperature > 0:
            drafter.set_temperature(sampling.temperature)
        options = SamplingConfig(gamma=setting.gamma, temperature=sampling.temperature, seed=seed)
        config = FlashSpecConfig(device=setting.device, sampling=options)
        engine = SpeculativeEngine(config, [drafter], target, arms=arms)
        result = engine.generate(torch.tensor([prompt], device=device), max_new_tokens=num_tokens)
        return cast("list[int]", result.output_ids[0, : result.n_tokens_generated].tolist())

    return _with_networks(generate, {"target": big, "drafter": small})


def _sequential(setting: Setting, method: str) -> Generate:
    """`seqspecdecod.speculative_generate`, as in the README of sequential-speculative-decoding 0.1.1.

    Its `load_models` knows bfloat16 only; so the models are loaded here. It takes a chat message and returns text:
    `_IdsAsText` stands for its tokenizer, and as that names no end of text, it does not stop there. It may return a
    few tokens more than asked for, which are cut. Random numbers come from torch's global generator.
    """
    from seqspecdecod import speculative_generate

    target, drafter = _load(setting.target, setting), _load(_model_drafter(setting), setting)

    def generate(prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> list[int]:
        _refuse_beyond("sequential-speculative-decoding", sampling)
        _seed_all(seed)
        result = speculative_generate(
            draft_model=drafter,
            target_model=target,
            tokenizer=_IdsAsText(),
            prompt=_IdsAsText.write(prompt),
            max_new_tokens=num_tokens,
            gamma=setting.gamma,
            draft_temperature=sampling.temperature,
            target_temperature=sampling.temperature,
            method=method,
        )
        return _IdsAsText.read(result["text"])[:num_tokens]

    return _with_networks(generate, {"target": target, "drafter": drafter})


class _IdsAsText:
    """A tokenizer whose text is the token ids, written in decimal: peers that take text get exactly our prompt, and
    nothing is lost between their tokens and ours. There is no chat template and no end of text."""

    eos_token = eos_token_id = unk_token_id = None

    @staticmethod
    def write(ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))

    @staticmethod
    def read(text: str) -> list[int]:
        return [int(word) for word in text.split()]

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], **_: object) -> str:
        return messages[-1]["content"]

    def __call__(self, texts: Sequence[str], **_: object) -> _IdsAsText:
        self.input_ids = torch.tensor([self.read(text) for text in texts])
        return self

    def encode(self, text: str, **_: object) -> torch.Tensor:
        return torch.tensor([self.read(text)])

    def decode(self, ids: Sequence[int] | torch.Tensor, **_: object) -> str:
        return self.write(torch.as_tensor(ids, dtype=torch.long).tolist())

    def convert_tokens_to_ids(self, _: str) -> None:
        return None


def _load(folder: str, setting: Setting) -> PreTrainedModel:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=setting.dtype)
    return cast("PreTrainedModel", model.to(setting.device).eval())


def _model_drafter(setting: Setting) -> str:
    if setting.drafter is None:
        raise UnsupportedError("these adapters draft with a model", "Name one with --drafter model:FOLDER.")
    return setting.drafter


def _refuse_beyond(peer: str, sampling: Sampling) -> None:
    """Refuse sampling settings that the peer does not offer."""
    neutral = Sampling(temperature=sampling.temperature)
    for name in ("top_k", "top_p", "min_p", "repetition_penalty"):
        if getattr(sampling, name) != getattr(neutral, name):
            raise UnsupportedError(f"{peer} has no {name}", f"Audit it without --{name.replace('_', '-')}.")


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _with_networks(generate: Callable[..., list[int]], networks: Mapping[str, torch.nn.Module]) -> Generate:
    generate.networks = networks  # type: ignore[attr-defined]  # any function takes attributes; its type does not say so
    return cast("Generate", generate)
