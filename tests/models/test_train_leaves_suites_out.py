"""Nothing of what drafters are judged by is learned from, even where the data are full of it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from draftlab.engines.batches import open_batches
from draftlab.models import LoadOptions, resolve
from draftlab.suites import load_suite
from draftlab.train.overlap import Forbidden
from draftlab.train.progress import Silent
from draftlab.train.run import train
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shards
from tests.cli.training import as_on_any_machine
from tests.models.saved import save, sentence, tiny_tokenizer, words
from tests.models.tiny import REAL, SEEDS, random_network, tiny_config

IN_A_ROW = 12
"""Words of a suite that must not be learned as they stand; written down here, so that a change is not overlooked."""
SUITES = ("notebook", "code")


def prompts() -> list[str]:
    """All that the suites ask."""
    every = [prompt for name in SUITES for prompt in load_suite(name).prompts]
    return [prompt.prompt or (prompt.messages or ())[-1]["content"] for prompt in every]


@pytest.fixture(scope="module")
def planted() -> list[list[str]]:
    """The words of every prompt of the suites, as the tokenizer cuts them."""
    cut = tiny_tokenizer().backend_tokenizer.pre_tokenizer
    return [[word for word, _ in cut.pre_tokenize_str(text)] for text in prompts()]


@pytest.fixture(scope="module")
def settings(planted: list[list[str]], tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    """A target that knows these words but writes others, and data in which half of the files begin or end with them."""
    folder = tmp_path_factory.mktemp("given")
    known = {word for text in planted for word in text}
    vocabulary = {**words(), **{word: REAL + i for i, word in enumerate(sorted(known))}}
    network = random_network(tiny_config("llama", len(vocabulary), context=256), seed=SEEDS["llama"])
    save(network, folder / "target", tiny_tokenizer(vocabulary))
    (folder / "data").mkdir()
    rng = random.Random(3)
    for number in range(40):
        own = sentence(rng.choices(range(2, REAL), k=20))
        texts = [own, own]
        if number % 2:
            texts = [own, " ".join(rng.choice(planted)[:40])]
            rng.shuffle(texts)
        (folder / "data" / f"{number}.txt").write_text(" ".join(texts), encoding="utf-8")
    return TrainSettings(
        target=str(folder / "target"), data=(str(folder / "data"), "code"), minutes=1.0, draft_vocab=40, new_tokens=12,
        batch=4, dtype="float32",
    )  # fmt: skip


def trained(settings: TrainSettings, folder: Path) -> tuple[dict[str, Any], list[list[int]], int]:
    """What is said of the data, every text that was learned from, and how many windows of these are of a suite."""
    with as_on_any_machine((1,), (4,)):
        train(settings, folder, Silent(), keep=True)
    said = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["data"]
    found = Shards(folder / "work").tokens(held_out=False)
    texts = [row[:end] for tokens, _, ends, _ in found for row, end in zip(tokens.tolist(), ends.tolist(), strict=True)]
    encode = open_batches(resolve(settings.target), LoadOptions(dtype="float32")).tokenizer.encode
    judged = {window for prompt in prompts() for window in windows(encode(prompt))}
    return said, [text for text in texts if text], sum(window in judged for text in texts for window in windows(text))


def own_words_of_suites(settings: TrainSettings, folder: Path) -> set[int]:
    """What the head can draft of the tokens that only the suites have, as long as the target does not write them."""
    ids = load_file(folder / "work" / "tokens.safetensors")["ids"]
    written = {token for tokens, starts, ends, _ in Shards(folder / "work").tokens(held_out=False)
               for row, start, end in zip(tokens.tolist(), starts.tolist(), ends.tolist(), strict=True)
               for token in row[start:end]}  # fmt: skip
    return {token for token in ids.tolist() if token >= REAL} - written


def windows(tokens: list[int]) -> list[tuple[int, ...]]:
    return list(zip(*(tokens[i:] for i in range(IN_A_ROW)), strict=False))


def test_of_planted_prompts_nothing_is_learned(settings: TrainSettings, tmp_path: Path) -> None:
    said, texts, shared = trained(settings, tmp_path / "out")
    assert shared == said["overlap"]["shared_windows"] == 0
    assert not own_words_of_suites(settings, tmp_path / "out")  # nor does its vocabulary know them
    assert len(texts) == said["texts"] >= 15  # but the other half of the files teach


def test_without_the_look_at_them_they_would_be_and_it_would_be_said(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Forbidden, "occurs_in", lambda *_: False)
    said, texts, shared = trained(settings, tmp_path / "out")
    assert own_words_of_suites(settings, tmp_path / "out")
    assert shared > 100 and len(texts) == said["texts"] > 30
    assert said["overlap"]["shared_windows"] == shared
