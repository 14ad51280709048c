"""A training run from nothing to a drafter that decodes, interrupted and resumed, on a tiny target."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.train.learning import Schedule
from draftlab.train.progress import Silent
from draftlab.train.run import train
from draftlab.train.settings import TrainSettings
from tests.cli.training import as_on_any_machine, save_target_and_data


class KilledAfter(Silent):
    """Stops the work in the middle of learning."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.learning = False

    def begins(self, what: str, total: int) -> None:
        self.learning = what.startswith("learning")

    def advances(self, by: int = 1) -> None:
        if self.learning and by:
            self.steps -= by
            if self.steps < 0:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    folder = tmp_path_factory.mktemp("given")
    save_target_and_data(folder, 40)
    return TrainSettings(
        target=str(folder / "target"), data=(str(folder / "data"),), minutes=1.0, draft_vocab=40, new_tokens=12,
        batch=4, dtype="float32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "drafter"
    with as_on_any_machine((1, 2, 3), (24, 24, 24)):
        train(settings, folder, Silent(), keep=True)
    return folder


def test_a_run_leaves_a_checkpoint_a_card_and_its_provenance(folder: Path) -> None:
    found = json.loads((folder / "provenance.json").read_text())
    assert found["data"]["held_out_texts"] > 0
    assert found["data"]["written_tokens"] > 0
    assert [point["step"] for point in found["curve"]] == sorted({point["step"] for point in found["curve"]})
    assert "acceptance by position" in (folder / "README.md").read_text()
    config = json.loads((folder / "config.json").read_text())
    assert config["draft_vocab_size"] == 40
    assert config["eagle_aux_hidden_state_layer_ids"] == [1, 2]
    assert (found["data"]["draft_vocab"], found["data"]["layers_read"]) == (40, [1, 2])
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert found["weights"] == {"model.safetensors": digest}


def test_the_loss_falls(folder: Path) -> None:
    curve = json.loads((folder / "provenance.json").read_text())["curve"]
    assert curve[-1]["loss"] < curve[1]["loss"]


def test_an_interrupted_run_that_is_resumed_has_the_same_curve(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.loads((folder / "provenance.json").read_text())
    again = tmp_path / "again"
    shutil.copytree(folder, again)
    for name in ("provenance.json", "model.safetensors", "config.json", "work/checkpoint.safetensors"):
        (again / name).unlink()
    monkeypatch.setattr(sys, "argv", ["draftlab", "train", "--resume"])
    steps = whole["curve"][-1]["step"]
    for after in (steps // 3, steps // 2):
        with pytest.raises(KeyboardInterrupt):
            train(None, again, KilledAfter(after), keep=True)
    resumed = train(None, again, Silent(), keep=True)
    assert [point.model_dump(mode="json") for point in resumed.curve] == whole["curve"]
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    found = json.loads((again / "provenance.json").read_text())
    assert found["command"] == whole["command"] != ["draftlab", "train", "--resume"]  # that which began it
    assert found["weights"] == whole["weights"]


def test_a_finished_run_is_not_trained_again(folder: Path, settings: TrainSettings) -> None:
    with pytest.raises(DraftlabError, match="trained already"):
        train(None, folder, Silent())
    with pytest.raises(DraftlabError, match="trained already"):
        train(settings, folder, Silent())


def test_a_folder_with_other_things_is_left_alone(settings: TrainSettings, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DraftlabError, match="not empty"):
        train(settings, tmp_path, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


class Told(KilledAfter):
    """Remembers what was said."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def of_steps(self) -> list[str]:
        return [line for line in self.said if "steps of learning fit" in line]


def test_too_little_time_is_told_and_what_is_kept_stays_kept(settings: TrainSettings, tmp_path: Path) -> None:
    """Less than the writing takes: there is a step at each depth all the same."""
    first, second = Told(1), Told(99)
    with pytest.raises(KeyboardInterrupt):
        train(settings.model_copy(update={"minutes": 1e-6}), tmp_path, first, keep=True)
    assert first.of_steps() == [
        "only 3 steps of learning fit into 1e-06 minutes, and teach next to nothing: train into another folder with "
        "more --minutes"
    ]
    assert train(None, tmp_path, second).curve[-1].step == 3
    assert second.of_steps() == first.of_steps()
    assert list((tmp_path / "work").glob("*-train.safetensors"))


def test_enough_steps_are_not_told(settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("draftlab.train.run.plan_steps", lambda *_: Schedule((1, 2, 3), (10, 10, 10)))
    told = Told(0)
    with pytest.raises(KeyboardInterrupt):
        train(settings.model_copy(update={"minutes": 1e-6}), tmp_path, told)
    assert told.said and not told.of_steps()


def test_layers_that_the_target_lacks_are_refused(settings: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="has 2"):
        train(settings.model_copy(update={"layers_read": (1, 9)}), tmp_path / "out", Silent())
