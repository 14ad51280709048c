"""Several processes learn what one does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from draftlab.engines.batches import open_batches
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from draftlab.train.gradient import learn_from
from draftlab.train.head import new_head
from draftlab.train.processes import Processes
from draftlab.train.progress import Silent
from draftlab.train.run import train
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shard
from draftlab.train.small_model import new_small_model
from tests.cli.training import as_on_any_machine, save_target_and_data


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    folder = tmp_path_factory.mktemp("given")
    save_target_and_data(folder, 40, shortest=12)
    return TrainSettings(
        target=str(folder / "target"), data=(str(folder / "data"),), minutes=1.0, draft_vocab=40, new_tokens=12,
        batch=5, dtype="float32", device="cpu",
    )  # fmt: skip


def test_shares_of_a_batch_add_up_to_the_whole(settings: TrainSettings) -> None:
    """Though they have unlike numbers of places to learn from, and one process may have none."""
    target = open_batches(resolve(settings.target), LoadOptions(dtype="float32"))
    batch = target.write([[5, 9, 2], [1, 2, 3, 4, 5, 6, 7], [8, 8]], 9, (1, 2), 0.0)
    whole = Shard(batch.tokens, batch.features, batch.final, *map(torch.tensor, ([3, 7, 2], [12, 16, 4], [1, 7, 1])))

    def gradients(num: int) -> tuple[float, dict[str, torch.Tensor]]:
        student = new_head(target, (1, 2), torch.arange(40), seed=1)
        loss = 0.0
        for index in range(num):
            processes = Processes(num, index)  # not launched, so that what it adds up is its own
            loss += learn_from(student, whole, 3, settings, processes, places="all")
        return loss, {name: p.grad.clone() for name, p in student.network.named_parameters() if p.grad is not None}

    loss, expected = gradients(1)
    for num in (2, 4):
        found, shares = gradients(num)
        assert found == pytest.approx(loss, rel=1e-3)
        for name, whole_one in expected.items():
            off = (shares[name] - whole_one).norm() / whole_one.norm()
            assert off < 0.02, name  # the network computes in bfloat16


def launched(launcher: list[str], *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-m", *launcher, "-m", "draftlab", "train", *arguments],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout


def test_two_processes_have_the_curve_of_one(settings: TrainSettings, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with as_on_any_machine((1, 2, 3), (4, 4, 4)):
        train(settings, one, Silent(), keep=True)
    shutil.copytree(one, two)
    for name in ("provenance.json", "model.safetensors", "config.json", "work/checkpoint.safetensors"):
        (two / name).unlink()
    state = json.loads((two / "training.json").read_text())
    (two / "training.json").write_text(json.dumps({**state, "keep": False}))
    out = launched(["torch.distributed.run", "--nproc-per-node=2", "--standalone"], "--resume", "--out", str(two))
    assert out.count("measure it") == 1
    expected, found = (json.loads((folder / "provenance.json").read_text()) for folder in (one, two))
    assert found["data"] == expected["data"]
    assert len(found["curve"]) == len(expected["curve"]) > 4
    for mine, theirs in zip(found["curve"], expected["curve"], strict=True):
        assert mine["step"] == theirs["step"]
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=0.01)
        assert mine["accepted"][0] == pytest.approx(theirs["accepted"][0], abs=0.05)
    assert not (two / "work").exists()


def test_accelerate_starts_them_and_they_share_the_writing(settings: TrainSettings, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    out = launched(
        ["accelerate.commands.launch", "--cpu", "--num_processes=2", "--num_machines=1", "--mixed_precision=no",
         "--dynamo_backend=no"],
        "--target", settings.target, "--data", settings.data[0], "--minutes", "0.02", "--draft-vocab", "40",
        "--dtype", "float32", "--device", "cpu", "--out", str(folder), "--keep",
    )  # fmt: skip
    assert out.count("measure it") == 1
    found = json.loads((folder / "provenance.json").read_text())
    assert found["data"]["written_tokens"] > 0 and found["data"]["held_out_texts"] > 0
    assert len(found["curve"]) > 2
    assert len(list((folder / "work").glob("*.safetensors"))) > 3


def test_a_small_model_is_shared_out_too(settings: TrainSettings) -> None:
    target = open_batches(resolve(settings.target), LoadOptions(dtype="float32"))
    batch = target.write([[5, 9, 2], [1, 2, 3, 4, 5, 6, 7], [8, 8]], 9, (), 0.0)
    whole = Shard(batch.tokens, batch.features, batch.final, *map(torch.tensor, ([3, 7, 2], [12, 16, 4], [1, 7, 1])))
    asked = TrainSettings(target=settings.target, student="model", num_layers=1, from_layers="fresh")

    def gradients(num: int) -> torch.Tensor:
        student = new_small_model(target, (0,), asked)
        for index in range(num):
            learn_from(student, whole, 1, asked, Processes(num, index))
        return torch.cat([p.grad.flatten() for p in student.network.parameters() if p.grad is not None])

    expected = gradients(1)
    assert expected.abs().max() > 0
    assert (gradients(2) - expected).norm() / expected.norm() < 0.02


def test_a_small_model_that_writes_itself_is_for_one_process(settings: TrainSettings, tmp_path: Path) -> None:
    asked = TrainSettings(target=settings.target, data=settings.data, student="model", on_policy=0.5)
    folder = tmp_path / "new"
    with pytest.raises(DraftlabError, match="--on-policy is for one process"):
        train(asked, folder, Silent(), processes=Processes(num=2))
    assert not folder.exists()
