"""A small model from the command line: trained, measured, and named in the commands of other engines."""

from __future__ import annotations

import random
from pathlib import Path

from tests.cli.conftest import Command
from tests.models.saved import save, sentence
from tests.models.tiny import REAL, SEEDS, WIDTH, random_network, tiny_config


def test_from_a_target_to_another_engine(draftlab: Command, tmp_path: Path, mine: str) -> None:
    save(random_network(tiny_config("llama", WIDTH, context=512), seed=SEEDS["llama"]), tmp_path / "target")
    rng = random.Random(3)
    (tmp_path / "data").mkdir()
    for number in range(20):
        words = sentence(rng.choices(range(2, REAL), k=24))
        (tmp_path / "data" / f"{number}.txt").write_text(words, encoding="utf-8")
    target = ("--target", str(tmp_path / "target"), "--dtype", "float32")
    trained = draftlab(
        "train", *target, "--student", "model", "--data", "data", "--minutes", "0.01", "--out", "small",
        "--from-layers", "fresh", "--num-layers", "1", "--on-policy", "0.5",
    )  # fmt: skip
    assert trained.status == 0, trained.err
    assert "measure it: draftlab bench --drafter model:small" in trained.out

    settings = ("--max-new-tokens", "6", "--ignore-eos", "--suite", mine, "--no-control")
    measured = draftlab("bench", *target, *settings, "-d", "model:small", "--gamma", "2", "--out", "run")
    assert measured.status == 0, measured.err
    for engine in ("vllm", "transformers"):
        document = draftlab("export", "run", "--to", engine, "--arm", "model:small gamma=2", "--json").document
        assert "small" in document["text"]
        assert document["before"] == []  # as wide as its target: no padded copy is needed
