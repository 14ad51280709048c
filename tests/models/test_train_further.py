"""A head that there is learns further, on the prompts of a run that it drafted in."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from draftlab.api import run as bench
from draftlab.cli import main
from draftlab.engines.batches import open_batches
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from draftlab.spec import make_experiment
from draftlab.train.past_runs import with_runs
from draftlab.train.progress import Silent
from draftlab.train.run import Trained, train
from draftlab.train.settings import TrainSettings
from draftlab.train.start import Start
from tests.cli.training import as_on_any_machine
from tests.models.eagle import eagle_config, eagle_tensors, save_eagle
from tests.models.saved import save as save_network
from tests.models.saved import sentence
from tests.models.test_train import KilledAfter
from tests.models.tiny import REAL, SEEDS, WIDTH, random_network, tiny_config

DRAFTED = 30
PROMPTS = 14
LAYERS = [1, 2]
BATCHES = 18


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = random_network(tiny_config("llama", WIDTH, context=256), seed=SEEDS["llama"])
    return save_network(network, tmp_path_factory.mktemp("target"))


def head_tensors(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """As `draftlab train` leaves them: without the rows of the target."""
    tensors = eagle_tensors(config, num_read=len(config["eagle_aux_hidden_state_layer_ids"]))
    return {name: tensor for name, tensor in tensors.items() if name not in ("lm_head.weight", "t2d")}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = eagle_config(WIDTH, 32, DRAFTED, eagle_aux_hidden_state_layer_ids=LAYERS)
    return save_eagle(tmp_path_factory.mktemp("head"), config, head_tensors(config))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(3)
    rows = [{"id": f"p{i}", "prompt": sentence(rng.choices(range(2, REAL), k=3 + i % 5))} for i in range(PROMPTS)]
    path = tmp_path_factory.mktemp("suite") / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def measured(target: Path, head: Path, suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `draftlab bench`."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    drafters = ("ngram", f"lookup+eagle:{head},compress=none")
    shared = {"suites": (str(suite),), "max_new_tokens": 4, "phases": 0, "control": False, "gammas": (2,)}
    bench(make_experiment({"target": str(target), "drafters": drafters, "dtype": "float32", **shared}), folder)
    return folder


def asked(run: Path, **more: Any) -> TrainSettings:
    return TrainSettings(**with_runs([str(run)], {"minutes": 0.02, "new_tokens": 12, "batch": 4, **more}))


@pytest.fixture(scope="module")
def trained(measured: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    settings = asked(measured, minutes=(BATCHES - 0.5) / 60 / 0.5, capture_share=0.5)
    with as_on_any_machine((3,), (24,)):
        return train(settings, tmp_path_factory.mktemp("trained") / "drafter", Silent(), keep=True)


def test_the_run_says_what_to_begin_with(measured: Path, target: Path, head: Path) -> None:
    settings = asked(measured)
    assert (settings.target, settings.dtype, settings.start_from) == (str(target), "float32", f"eagle:{head}")
    assert asked(measured, start_from="eagle:other", dtype="bfloat16").start_from == "eagle:other"


def test_the_curve_begins_with_the_head_as_it_was(trained: Trained, target: Path, head: Path) -> None:
    network = open_batches(resolve(str(target)), LoadOptions(dtype="float32"))
    student = Start.read(f"eagle:{head}", LoadOptions()).student(network)
    before = load_file(head / "model.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in student.tensors().items())
    first, last = trained.curve[0], trained.curve[-1]
    assert first.step == 0 < last.step
    assert trained.gain.startswith("on ") and f"{first.speedup:.2f}x and {last.speedup:.2f}x" in trained.gain


def test_what_it_learns_is_all_that_changes(trained: Trained, head: Path) -> None:
    before, after = (load_file(folder / "model.safetensors") for folder in (head, trained.folder))
    assert before.keys() == after.keys()
    assert torch.equal(before["d2t"], after["d2t"])
    assert not torch.equal(before["fc.weight"].bfloat16(), after["fc.weight"])
    configs = [json.loads((folder / "config.json").read_text()) for folder in (head, trained.folder)]
    assert {**configs[0], "torch_dtype": "bfloat16"} == configs[1]


def test_card_and_provenance_name_the_head(trained: Trained, head: Path) -> None:
    found = json.loads((trained.folder / "provenance.json").read_text())
    digest = Start.read(f"eagle:{head}", LoadOptions()).facts()["files"]["model.safetensors"]
    assert found["data"]["start"] == {"drafter": f"eagle:{head}", "files": {"model.safetensors": digest}}
    card = (trained.folder / "README.md").read_text()
    assert digest in card and "before and after" in card
    assert (found["data"]["draft_vocab"], found["data"]["layers_read"]) == (DRAFTED, LAYERS)
    assert found["data"]["tokens"] == found["data"]["written_tokens"] > 0  # prompts come again and again


def test_prompts_are_written_on_in_other_ways_until_time_is_up(trained: Trained) -> None:
    found = json.loads((trained.folder / "provenance.json").read_text())["data"]
    assert found["texts"] > 3 * PROMPTS
    assert len(list((trained.folder / "work").glob("0*.safetensors"))) == BATCHES
    assert 0 < found["held_out_prompts"] < PROMPTS // 2 < found["held_out_texts"]


def test_a_killed_run_that_is_resumed_does_not_need_the_head_any_more(
    trained: Trained, measured: Path, head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again"
    shutil.copytree(trained.folder, again)
    for name in ("provenance.json", "model.safetensors", "config.json", "work/checkpoint.safetensors"):
        (again / name).unlink()
    state = json.loads((again / "training.json").read_text())
    state["settings"]["start_from"] = "eagle:gone/away"  # as if its folder had been removed
    del state["command"]  # as an earlier version left it
    (again / "training.json").write_text(json.dumps(state))
    monkeypatch.setattr(sys, "argv", ["draftlab", "train", "--resume"])
    with pytest.raises(KeyboardInterrupt):
        train(None, again, KilledAfter(trained.curve[-1].step // 2), keep=True)
    resumed = train(None, again, Silent(), keep=True)
    assert resumed.curve == trained.curve
    assert json.loads((again / "provenance.json").read_text())["command"] == ["draftlab", "train", "--resume"]
    assert (again / "model.safetensors").read_bytes() == (trained.folder / "model.safetensors").read_bytes()


def test_the_command_line_tells_the_gain(
    measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--from", str(measured), "--out", str(tmp_path / "out"), "--minutes", "0.02"]
    monkeypatch.setattr(sys, "argv", ["draftlab", *words])
    with as_on_any_machine((3,), (6,)), pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    lines = capsys.readouterr().out.splitlines()
    assert sum("held-out prompt, before and after: acceptance by position" in line for line in lines) == 1
    assert json.loads((tmp_path / "out" / "config.json").read_text())["draft_vocab_size"] == DRAFTED


def test_other_texts_teach_it_too(measured: Path, suite: Path, tmp_path: Path) -> None:
    known = asked(measured).model_dump(include={"target", "dtype", "start_from", "minutes", "new_tokens", "batch"})
    trained = train(TrainSettings(**known, data=(str(suite),)), tmp_path / "out", Silent())
    assert trained.gain
    found = json.loads((tmp_path / "out" / "provenance.json").read_text())["data"]
    assert found["held_out_prompts"] == found["held_out_texts"] == 1
    assert "start" in found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"vocab_size": WIDTH + 1}, "made for a vocabulary of 61"),
        ({"target_hidden_size": 16}, "reads hidden states of 16 numbers"),
        ({"eagle_aux_hidden_state_layer_ids": [1, 3]}, "after 1, 3 of the 2 layers"),
        ({"eagle_aux_hidden_state_layer_ids": [0, 2]}, "reads what enters the first layer"),
        ({"logit_scale": 0.5}, "scales its logits"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_before_anything_is_written(
    change: dict[str, Any], reason: str, measured: Path, head: Path, tmp_path: Path
) -> None:
    config = json.loads((head / "config.json").read_text())
    save_eagle(tmp_path / "head", {**config, **change}, load_file(head / "model.safetensors"))
    with pytest.raises(DraftlabError, match=reason):
        train(asked(measured, start_from=f"eagle:{tmp_path}/head"), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_rows_of_another_head_are_refused_and_those_of_the_target_are_kept(
    measured: Path, target: Path, head: Path, tmp_path: Path
) -> None:
    tensors = load_file(head / "model.safetensors")
    ids = torch.arange(DRAFTED) + tensors["d2t"]
    rows = load_file(target / "model.safetensors")["lm_head.weight"][ids]
    network = open_batches(resolve(str(target)), LoadOptions(dtype="float32"))
    for name, own in (("complete", rows), ("other", rows + 1.0)):
        shutil.copytree(head, tmp_path / name)
        save_file({**tensors, "lm_head.weight": own}, tmp_path / name / "model.safetensors")
    start = Start.read(f"eagle:{tmp_path}/complete", LoadOptions())
    assert start.layers(network) == tuple(LAYERS)
    start.student(network).write(tmp_path / "written")
    assert torch.equal(load_file(tmp_path / "written" / "model.safetensors")["lm_head.weight"], rows)
    with pytest.raises(DraftlabError, match="has an lm_head of its own"):
        Start.read(f"eagle:{tmp_path}/other", LoadOptions()).layers(network)
