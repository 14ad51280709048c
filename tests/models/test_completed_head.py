"""A head that leaves its rows with the target, written with them: the same network, and the same for a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from draftlab.doctor.completing import write_complete
from draftlab.errors import DraftlabError
from draftlab.managed.head import with_all_rows
from draftlab.managed.run import plan_of
from draftlab.spec import Experiment, make_experiment
from tests.models.eagle import eagle_config, eagle_tensors, save_eagle
from tests.models.saved import save
from tests.models.tiny import WIDTH, tiny_family

DRAFTED = 20
CONFIG = eagle_config(WIDTH, 32, DRAFTED, eagle_aux_hidden_state_layer_ids=[0, 1, 2])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return save(tiny_family("llama").network, tmp_path / "t")


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """As `draftlab train` leaves it: no lm_head, with a card beside it."""
    tensors = {name: tensor for name, tensor in eagle_tensors(CONFIG).items() if name != "lm_head.weight"}
    folder = save_eagle(tmp_path / "h", CONFIG, tensors)
    (folder / "README.md").write_text("A card.")
    return folder


def asked(target: Path, head: Path, **more: Any) -> Experiment:
    return make_experiment({"target": str(target), "drafters": (f"eagle:{head}",), **more})


def test_the_rows_are_those_of_the_target(target: Path, head: Path, tmp_path: Path) -> None:
    completed = write_complete(asked(target, head), str(head), tmp_path / "c")
    before, after = (load_file(folder / "model.safetensors") for folder in (head, tmp_path / "c"))
    rows = load_file(target / "model.safetensors")["lm_head.weight"]
    assert after.keys() - before.keys() == {"lm_head.weight"}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert torch.equal(after["lm_head.weight"], rows[torch.arange(DRAFTED) + before["d2t"]])
    assert (completed.rows, completed.width, completed.dtype) == (DRAFTED, 32, "float32")


def test_all_else_is_as_it_was(target: Path, head: Path, tmp_path: Path) -> None:
    write_complete(asked(target, head), str(head), tmp_path / "c")
    for name in ("config.json", "README.md"):
        assert (tmp_path / "c" / name).read_bytes() == (head / name).read_bytes()
    assert {path.name for path in (tmp_path / "c").iterdir()} == {path.name for path in head.iterdir()}
    assert not list(tmp_path.glob(".c-*"))


def test_pickled_weights_become_safetensors(target: Path, head: Path, tmp_path: Path) -> None:
    tensors = load_file(head / "model.safetensors")
    (head / "model.safetensors").unlink()
    torch.save(tensors, head / "pytorch_model.bin")
    with pytest.raises(DraftlabError, match="only pickled weights"):
        write_complete(asked(target, head), str(head), tmp_path / "c")
    write_complete(asked(target, head, allow_pickle=True), str(head), tmp_path / "c")
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"config.json", "README.md", "model.safetensors"}


def test_a_head_that_lacks_nothing(target: Path, head: Path, tmp_path: Path) -> None:
    write_complete(asked(target, head), str(head), tmp_path / "c")
    with pytest.raises(DraftlabError, match="nothing is missing"):
        write_complete(asked(target, head), str(tmp_path / "c"), tmp_path / "d")


def test_a_head_of_another_target(target: Path, head: Path, tmp_path: Path) -> None:
    config = {**CONFIG, "vocab_size": WIDTH + 1}
    (head / "config.json").write_text(json.dumps(config))
    with pytest.raises(DraftlabError, match="was made for a vocabulary of 61"):
        write_complete(asked(target, head), str(head), tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_folder_that_is_in_use(target: Path, head: Path) -> None:
    with pytest.raises(DraftlabError, match="is there already"):
        write_complete(asked(target, head), str(head), target)


@pytest.mark.parametrize("again", [False, True])
def test_a_server_is_given_the_copy(target: Path, head: Path, tmp_path: Path, again: bool) -> None:
    experiment = asked(target, head, engine="vllm", gammas=(4,))
    folder = tmp_path / "run.servers" / "head"
    for _ in range(1 + again):
        plan = with_all_rows(plan_of(experiment), experiment, folder, lambda _: None)
    assert plan.drafter is not None and plan == plan_of(experiment).with_copy(str(folder))
    assert "lm_head.weight" in load_file(folder / "model.safetensors")


def test_a_server_is_given_a_whole_head_as_it_is(target: Path, tmp_path: Path) -> None:
    whole = save_eagle(tmp_path / "whole", CONFIG, eagle_tensors(CONFIG))
    experiment = asked(target, whole, engine="vllm", gammas=(4,))
    plan = plan_of(experiment)
    assert with_all_rows(plan, experiment, tmp_path / "copy", lambda _: None) == plan
    assert not (tmp_path / "copy").exists()


def test_a_head_that_an_engine_would_run_as_another_is_refused(target: Path, head: Path, tmp_path: Path) -> None:
    experiment = asked(target, head, engine="sglang", gammas=(4,))
    with pytest.raises(DraftlabError, match="what leaves the last of 2 layers"):
        with_all_rows(plan_of(experiment), experiment, tmp_path / "copy", lambda _: None)
    assert not (tmp_path / "copy").exists()


def test_a_head_of_all_tokens_needs_its_rows_in_sglang_alone(target: Path, tmp_path: Path) -> None:
    ids = "eagle_aux_hidden_state_layer_ids"
    config = eagle_config(WIDTH, 32, **{ids: [0, 1], "eagle_config": {ids: [-1, 0]}})
    tensors = eagle_tensors(config, num_read=2)
    for name in ("lm_head.weight", "d2t", "t2d"):
        del tensors[name]
    folder = tmp_path / "all"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")
    for engine, needed in (("vllm", False), ("sglang", True)):
        experiment = asked(target, folder, engine=engine, gammas=(4,))
        with_all_rows(plan_of(experiment), experiment, tmp_path / engine, lambda _: None)
        assert (tmp_path / engine).exists() == needed
