"""A small model from the command line: trained, measured, and named in the commands of other engines."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.cli.training import save_target_and_data


def test_from_a_target_to_another_engine(draftlab: Command, tmp_path: Path, mine: str) -> None:
    save_target_and_data(tmp_path, 20)
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
