"""A checkpoint's own decoding settings: applied, or named as ignored, and never dropped in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from draftlab.spec import Experiment, Sampling
from draftlab.workbench import Workbench, resolve_sampling
from tests.models.native import MAX_NEW_TOKENS, PROMPTS, STOP, generate, native_texts
from tests.models.running import run
from tests.models.saved import load_folder, save
from tests.models.tiny import tiny_family

NAME = "gpt_neox"
QWEN = {"repetition_penalty": 1.3, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "eos_token_id": [7, 19]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tiny_family(NAME).network, tmp_path / "model")


def configure(folder: Path, **settings: Any) -> Path:
    """Write `settings` as the checkpoint's generation config."""
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


def test_nothing_set_is_nothing_found(folder: Path) -> None:
    """The library fills in values such as top_k=50 when it samples; a checkpoint that says nothing has none."""
    assert load_folder(folder).defaults == {}


def test_settings_are_found(folder: Path) -> None:
    assert load_folder(configure(folder, do_sample=True, **QWEN)).defaults == QWEN


@pytest.mark.parametrize(("given", "found"), [(7, [7]), ([7, 19], [7, 19]), (0, [0])])
def test_stop_tokens_are_a_list(folder: Path, given: object, found: list[int]) -> None:
    assert load_folder(configure(folder, eos_token_id=given)).defaults == {"eos_token_id": found}


def test_without_a_generation_config_the_model_config_tells_the_stop(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 7}))
    assert load_folder(folder).defaults == {"eos_token_id": [7]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_repeat_ngram_size", 1),
        ("num_beams", 2),
        ("bad_words_ids", [[5]]),
        ("suppress_tokens", [3]),
        ("begin_suppress_tokens", [3]),
        ("typical_p", 0.9),
        ("min_length", 4),
        ("min_new_tokens", 1),
        ("forced_eos_token_id", 0),
        ("epsilon_cutoff", 3e-4),
        ("guidance_scale", 1.5),
    ],
)
def test_what_is_not_applied_is_named(folder: Path, name: str, value: object) -> None:
    assert load_folder(configure(folder, **{name: value})).defaults == {"ignored": [name]}


@pytest.mark.parametrize(
    ("name", "value"), [("no_repeat_ngram_size", 0), ("typical_p", 1.0), ("min_length", 0), ("num_beams", 1)]
)
def test_a_neutral_value_changes_nothing_and_is_not_named(folder: Path, name: str, value: object) -> None:
    assert load_folder(configure(folder, **{name: value})).defaults == {}


def test_flags_come_before_the_checkpoint_and_a_run_is_greedy_unless_asked(folder: Path) -> None:
    defaults = load_folder(configure(folder, **QWEN)).defaults
    assert resolve_sampling(Experiment(), defaults) == Sampling(repetition_penalty=1.3, top_p=0.8, top_k=20)
    asked = Experiment(temperature=0.5, top_k=0, top_p=1.0, repetition_penalty=1.0)
    assert resolve_sampling(asked, defaults) == Sampling(temperature=0.5)


def test_a_run_takes_the_checkpoints_penalty_and_stops(folder: Path) -> None:
    """End to end: greedy text with its repetition penalty and its list of stops is `generate`'s own."""
    configure(folder, repetition_penalty=1.3, eos_token_id=sorted(STOP))
    bench = Workbench.open(Experiment(target=str(folder), device="cpu"))
    subject = bench.decoder(bench.drafter("ngram"), 4)
    texts = [run(subject, prompt, MAX_NEW_TOKENS).tokens for prompt in PROMPTS]
    assert texts == native_texts(NAME, 1.3) != native_texts(NAME)


def test_ignore_eos_goes_on(folder: Path) -> None:
    configure(folder, eos_token_id=sorted(STOP))
    bench = Workbench.open(Experiment(target=str(folder), device="cpu", ignore_eos=True))
    prompt = next(p for p, text in zip(PROMPTS, native_texts(NAME), strict=True) if text[-1] in STOP)
    text = run(bench.decoder(bench.drafter("none"), 0), prompt, MAX_NEW_TOKENS).tokens
    assert text == generate(tiny_family(NAME).network, prompt, MAX_NEW_TOKENS, frozenset())
    assert len(text) == MAX_NEW_TOKENS
