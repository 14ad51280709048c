"""`draftlab train` that is killed twice, each time in the middle of a file, ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from tests.cli.conftest import Command
from tests.cli.training import save_target_and_data

# Stops for good where the file of that number is half written: so the kill comes at the same place on any machine.
CHILD = """
import importlib, os, sys, time
from draftlab.cli import main

module, number = importlib.import_module(sys.argv.pop(1)), int(sys.argv.pop(1))
save, saved = module.save_file, []

def half_save(tensors, path, *rest):
    save(tensors, path, *rest)
    saved.append(path)
    if len(saved) == number:
        os.truncate(path, path.stat().st_size // 2)
        print("half way", flush=True)
        time.sleep(3600)

module.save_file = half_save
main()
"""
STUDENTS = {
    "head": (("--draft-vocab", "40"), {"depths": [1, 2, 3], "steps": [4, 6, 6]}),
    "model": (("--num-layers", "1", "--on-policy", "0.5"), {"depths": [1], "steps": [16]}),
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the processes that are killed: more would add in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _target(tmp_path: Path) -> None:
    save_target_and_data(tmp_path, 40)


def kill(folder: Path, writing: str, number: int, *arguments: str) -> None:
    """Run `draftlab train` in `folder`, and kill it in the middle of file `number` of those that `writing` saves."""
    command = [sys.executable, "-c", CHILD, f"draftlab.train.{writing}", str(number), "train", *arguments]
    child = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        said = child.stdout.readline()
        assert said == "half way\n", child.communicate()
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    finally:
        child.kill()
        child.communicate()


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("student", STUDENTS)
def test_two_kills_change_nothing(student: str, draftlab: Command, tmp_path: Path) -> None:
    options, schedule = STUDENTS[student]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    kill(
        tmp_path, "shards", 2, "--target", "target", "--data", "data", "--dtype", "float32", "--minutes", "0.02",
        "--out", "killed", "--student", student, *options,
    )  # fmt: skip
    assert sorted(path.suffix for path in (killed / "work").iterdir()) == [".part", ".safetensors"]

    # What follows from the clock is given: time for every text, and so many steps.
    state = read(killed / "training.json")
    state = {**state, "settings": {**state["settings"], "minutes": 60.0, "batch": 4}, **schedule}
    (killed / "training.json").write_text(json.dumps(state), encoding="utf-8")
    kill(tmp_path, "checkpoint", 3, "--resume", "--out", "killed")
    assert (killed / "work" / "checkpoint.part").exists()
    with safe_open(killed / "work" / "checkpoint.safetensors", framework="pt") as file:
        assert file.metadata()["step"] == "4"  # what came after is learned again
    state = read(killed / "training.json")
    assert state["captured"] and state["costs"]

    # The same once more from its first text on, with the plan that the other had come to.
    whole.mkdir()
    (whole / "training.json").write_text(json.dumps({**state, "captured": False, "captured_s": 0.0}), encoding="utf-8")
    for folder in ("whole", "killed"):
        ended = draftlab("train", "--resume", "--out", folder)
        assert ended.status == 0, ended.err
    found, expected = read(killed / "provenance.json"), read(whole / "provenance.json")
    assert found["data"] == expected["data"]
    assert found["data"]["texts"] > 16 and found["data"]["held_out_texts"] > 0
    assert [point["step"] for point in found["curve"]] == [*range(0, 17, 2)]
    assert found["curve"] == expected["curve"]
    assert (killed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert not (killed / "work").exists()
