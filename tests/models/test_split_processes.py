"""The other processes of a split target: whom they listen to, what they load, and when they end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from draftlab import api
from draftlab.engines.ranks import Ranks
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import DraftlabError, EngineLostError
from draftlab.models import LoadOptions
from draftlab.records import Trace
from draftlab.spec import make_experiment
from draftlab.store import Store
from draftlab.workbench import Workbench
from tests.models.saved import load_folder, save
from tests.models.test_split import splittable

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="on GPUs, tests/device/test_cuda.py does it")
SPLIT = LoadOptions(tensor_parallel=2)
INTERFACES = {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A model that can be split; no process outlives its test."""
    yield save(splittable("llama"), tmp_path / "model")
    if Ranks._running is not None:
        Ranks._running.close()
    assert not torch.distributed.is_initialized()


@pytest.fixture
def settings(folder: Path, tmp_path: Path) -> dict[str, Any]:
    rows = [{"id": f"p{i}", "category": "code", "prompt": f"w{i + 2} w3 w4"} for i in range(3)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return {"target": str(folder), "tensor_parallel": 2, "max_new_tokens": 12, "ignore_eos": True}


def others() -> list[psutil.Process]:
    assert Ranks._running is not None
    return [psutil.Process(each.pid) for each in Ranks._running._processes]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def test_they_listen_on_the_loopback_alone_and_leave_the_environment_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in INTERFACES:
        monkeypatch.delenv(name, raising=False)
    load_folder(folder, SPLIT).model.forward([2, 3])
    assert not INTERFACES & os.environ.keys()
    (other,) = others()
    assert {other.environ().get(name) for name in INTERFACES} == {"lo", "=lo"}
    found = [
        each.laddr.ip
        for process in (psutil.Process(), *others())
        for each in process.net_connections("tcp")  # of IPv4 and IPv6
        if each.status == psutil.CONN_LISTEN
    ]
    assert found and set(found) == {"127.0.0.1"}


def test_the_users_own_interface_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    load_folder(folder, SPLIT)
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
    (other,) = others()
    assert other.environ()["NCCL_SOCKET_IFNAME"] == "=lo"
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "no-such-interface")
    with pytest.raises(DraftlabError, match="no network interface is called 'no-such-interface'"):
        load_folder(folder, SPLIT)


def test_a_file_in_the_users_folder_is_no_module_of_theirs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("open('executed', 'w')\nraise SystemExit('not torch')\n")
    monkeypatch.chdir(tmp_path)
    load_folder(folder, SPLIT).model.forward([2, 3])
    assert not (tmp_path / "executed").exists()


def test_a_target_can_be_closed_and_says_so_afterwards(folder: Path, settings: dict[str, Any]) -> None:
    bench = Workbench.open(make_experiment(settings))
    processes = others()
    bench.close()
    bench.close()
    assert gone(processes)
    with pytest.raises(EngineLostError, match="have ended: it was closed"):
        bench.target.model.forward([2, 3])
    whole = load_folder(folder)
    whole.close()
    whole.model.forward([2, 3])


def test_nothing_is_left_after_a_text_or_a_run(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[psutil.Process] = []
    done = api.generate("w2 w3", **settings, listen=lambda *_: seen.extend(others()))
    assert len(done.tokens) == 12 and seen and gone(seen)
    asked = make_experiment({**settings, "suites": (str(tmp_path / "mine.jsonl"),), "control": False})
    seen.clear()
    api.run(asked, tmp_path / "run", say=lambda _: seen.extend(others() if Ranks._running else []))
    assert Ranks._running is None and gone(seen)
    with pytest.raises(DraftlabError, match="no drafter"):
        api.generate("w2 w3", **settings, drafter="nobody")
    with pytest.raises(DraftlabError):  # found when the target is loaded
        api.run(asked.model_copy(update={"drafters": ("model:./nowhere",)}), tmp_path / "other")
    assert Ranks._running is None


def test_a_pass_that_fails_is_one_failed_trace_and_the_run_can_be_resumed(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make_experiment(
        {**settings, "suites": (str(tmp_path / "mine.jsonl"),), "control": False, "phases": 0, "drafters": ("ngram",)}
    )
    forward, fails = TransformersModel.forward, False

    class Fails(api.Observer):
        def ended(self, trace: Trace) -> None:
            nonlocal fails
            fails = trace.arm == "none"

    def broken(self: TransformersModel, tokens: Any, num_rows: int | None = None) -> Any:
        if fails:
            raise RuntimeError("out of memory")
        return forward(self, tokens, num_rows)

    monkeypatch.setattr(TransformersModel, "forward", broken)
    with pytest.raises(EngineLostError, match="have ended: RuntimeError: out of memory"):
        api.run(asked, tmp_path / "run", observer=Fails())
    told = [trace.status for trace in Store.open(tmp_path / "run").traces()]
    assert told == ["ok", "failed"]
    monkeypatch.setattr(TransformersModel, "forward", forward)
    api.run(asked, tmp_path / "run", resume=True)
    assert [trace.status for trace in Store.open(tmp_path / "run").traces()] == ["ok", "failed", *["ok"] * 4]
