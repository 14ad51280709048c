"""A target split over processes writes what it writes in one, and says in one line what cannot be split.

Here the processes share a CPU and talk by gloo; on GPUs the same code talks by NCCL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from draftlab.drafters.none import NoDrafter
from draftlab.engines.capabilities import GeneratesNatively
from draftlab.engines.ranks import Ranks
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import ContractError, DraftlabError, UnsupportedError
from draftlab.features import ShowsFeatures
from draftlab.models import LoadOptions
from draftlab.spec import Sampling, make_experiment
from draftlab.testing import check_engine
from tests.models.native import PROMPTS, STOP
from tests.models.running import GREEDY, decoder, model_drafter, run
from tests.models.saved import load_folder, save
from tests.models.tiny import WIDTH, derived_network, random_network, tiny_config, tiny_family

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="on GPUs, tests/device/test_cuda.py does it")
SPLIT = LoadOptions(tensor_parallel=2)
SAMPLED = Sampling(temperature=0.9, top_p=0.95)


def splittable(name: str, *, tied: bool = False) -> Any:
    """A network whose heads can be shared out between two."""
    config = tiny_config(name, WIDTH)
    if name != "gpt_neox":
        config.num_key_value_heads = 2
    config.tie_word_embeddings = tied
    return random_network(config, seed=1)


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """No process outlives its test."""
    yield
    if Ranks._running is not None:
        Ranks._running.close()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt_neox", "tied llama"])
def test_the_texts_are_those_of_one_process(name: str, tmp_path: Path) -> None:
    network = splittable(name.removeprefix("tied "), tied=name.startswith("tied"))
    folder = save(network, tmp_path / "model")
    whole, split = load_folder(folder), load_folder(folder, SPLIT)
    small = TransformersModel(derived_network(network, WIDTH, noise=0.02), "small")
    for sampling in (GREEDY, SAMPLED):
        for prompt in PROMPTS[:3]:
            texts = [
                run(decoder(model, drafter, gamma, sampling, STOP), prompt, 20).tokens
                for model in (whole.model, split.model)
                for drafter, gamma in ((NoDrafter(), 0), (model_drafter(model, small, sampling), 4))
            ]
            assert texts[0] == texts[2] and texts[1] == texts[3]
    check_engine(split.model, PROMPTS[9], 1e-4)


def test_what_a_drafter_reads_of_it_is_whole(tmp_path: Path) -> None:
    folder = save(splittable("llama"), tmp_path / "model")
    whole, split = load_folder(folder).model, load_folder(folder, SPLIT).model
    assert isinstance(whole, ShowsFeatures) and isinstance(split, ShowsFeatures)
    assert torch.equal(split.embedding(), whole.embedding()) and torch.equal(split.head(), whole.head())
    found = []
    for model in (whole, split):
        model.reset()
        tap = model.features([0, 1, 2])
        model.forward(PROMPTS[9])
        model.rollback(len(PROMPTS[9]) - 1)
        found.append(tap.take())
    assert found[0].shape == found[1].shape
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_the_record_says_how_it_was_split(tmp_path: Path) -> None:
    said: list[str] = []
    options = LoadOptions(tensor_parallel=2, say=said.append)
    network = splittable("llama")
    loaded = load_folder(save(network, tmp_path / "model"), options)
    facts = {"tensor_parallel": 2, "device": ["cpu", "cpu"], "linear": "plain", "launches": "eager"}
    assert {name: loaded.description[name] for name in facts} == facts
    assert loaded.description["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert not isinstance(loaded.model, GeneratesNatively)
    assert any("split over 2 processes of one CPU" in line for line in said)
    with pytest.raises(ContractError, match="cannot roll back"):
        loaded.model.rollback(5)
    loaded.model.forward([2, 3])  # the others were not told of it
    loaded.synchronize()


def test_a_process_that_is_lost_is_told_in_one_line(tmp_path: Path) -> None:
    loaded = load_folder(save(splittable("llama"), tmp_path / "model"), SPLIT)
    loaded.model.forward([2, 3])
    assert Ranks._running is not None
    Ranks._running._processes[0].kill()
    with pytest.raises(DraftlabError, match=r"a process of '.*' was lost: it ended with status -9"):
        loaded.model.forward([4])
    with pytest.raises(DraftlabError, match="have ended"):
        loaded.model.forward([4])


def test_a_process_that_cannot_load_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(splittable("llama"), tmp_path / "model")
    monkeypatch.setattr("draftlab.engines.split._shared", lambda _: {"dtype": "float31"})
    with pytest.raises(DraftlabError, match=r"was lost: .*float31"):
        load_folder(folder, SPLIT)


_ABANDONED = """
import os, signal, sys
from draftlab.engines.ranks import Ranks
from draftlab.engines.transformers import load
from draftlab.models import LoadOptions, resolve
load(resolve(sys.argv[1]), LoadOptions(tensor_parallel=2)).model.forward([2, 3])
print(Ranks._running._processes[0].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_nothing_is_left_where_the_first_process_is_killed(tmp_path: Path) -> None:
    folder = save(splittable("llama"), tmp_path / "model")
    done = subprocess.run([sys.executable, "-c", _ABANDONED, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    deadline = time.monotonic() + 120
    while psutil.pid_exists(int(done.stdout)) and psutil.Process(int(done.stdout)).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.1)


def test_heads_that_cannot_be_shared_out_are_refused(tmp_path: Path) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")  # with one head of keys
    with pytest.raises(UnsupportedError, match="over 2 processes: its 1 key and value heads are no multiple"):
        load_folder(folder, SPLIT)


def test_a_family_without_a_plan_is_refused(tmp_path: Path) -> None:
    folder = save(tiny_family("gpt2").network, tmp_path / "model")
    with pytest.raises(UnsupportedError, match="no tensor-parallel plan for GPT2LMHeadModel"):
        load_folder(folder, SPLIT)


def test_torchrun_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(splittable("llama"), tmp_path / "model")
    monkeypatch.setitem(os.environ, "TORCHELASTIC_RUN_ID", "none")
    with pytest.raises(UnsupportedError, match="starts the processes that it needs by itself"):
        load_folder(folder, SPLIT)


@pytest.mark.parametrize(
    "other", [{"engine": "vllm"}, {"exact": True}, {"device": "cpu"}, {"device": "spread"}], ids=str
)
def test_settings_that_do_not_go_with_it_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(DraftlabError, match=r"--tensor-parallel cannot be 2: .*(setting of its own|leave --)"):
        make_experiment({"tensor_parallel": 2, **other})
