"""One run has a folder's servers at a time, and whether they are up together or in turn is decided once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from draftlab.cli.bench import _experiment
from draftlab.cli.load import bench_under_load
from draftlab.errors import DraftlabError
from draftlab.load.run import read_load
from draftlab.managed import gpu, room
from draftlab.managed.run import plan_of, run_managed, servers_of
from draftlab.store import Store
from tests.unit.managing import PROGRAM, an_experiment, be_impatient, let_engine_behave, let_memory_hold, lives


@pytest.fixture(autouse=True)
def _program_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)
    let_engine_behave(monkeypatch, "well")


def test_a_second_run_leaves_the_servers_of_a_live_one_alone(tmp_path: Path) -> None:
    asked = an_experiment(tmp_path)
    logs = tmp_path / "run.servers"
    with servers_of(asked, tmp_path / "run") as on:
        on.open("plain")
        pid, _ = json.loads((logs / "plain.pid").read_text())
        (logs / "head").mkdir()
        for _ in range(2):
            with pytest.raises(DraftlabError, match=r"another process is writing to .*run\.servers"):
                run_managed(asked, tmp_path / "run")
        assert lives(pid) and (logs / "plain.pid").exists() and (logs / "head").exists()
    assert not lives(pid)
    run_managed(asked, tmp_path / "run")  # now it is free


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DraftlabError, match="cannot write to"):
        run_managed(an_experiment(tmp_path), tmp_path / "file" / "run")


def cut(run: Path, keep: int) -> None:
    lines = (run / "traces.jsonl").read_text().splitlines(keepends=True)
    (run / "traces.jsonl").write_text("".join(lines[:keep]))


@pytest.mark.parametrize(("gib", "then", "mode"), [(20, 9, "together"), (9, 20, "in-turn")])
def test_a_run_goes_on_as_it_began_whatever_memory_is_free_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gib: float, then: float, mode: str
) -> None:
    asked = an_experiment(tmp_path)
    let_memory_hold(monkeypatch, tmp_path, gib)
    run_managed(asked, tmp_path / "run")
    assert Store.open(tmp_path / "run").manifest().experiment["servers"] == mode
    cut(tmp_path / "run", 3)
    let_memory_hold(monkeypatch, tmp_path, then)
    said: list[str] = []
    if mode == "together":  # it does not become another measurement without a word
        with pytest.raises(DraftlabError, match="two servers of vllm need") as caught:
            run_managed(asked, tmp_path / "run", resume=True)
        assert caught.value.hint == "Use --servers in-turn."
    else:
        run_managed(asked, tmp_path / "run", resume=True, say=said.append)
        assert sum(line.startswith("starting the") for line in said) > 2
    cut(tmp_path / "run", 3)
    other = {"together": "in-turn", "in-turn": "together"}[mode]
    run_managed(an_experiment(tmp_path, servers=other), tmp_path / "run", resume=True, say=said.append)
    assert any("from here on" in line for line in said)
    assert len(list(Store.open(tmp_path / "run").traces())) == 8


def test_the_command_line_goes_on_with_what_is_noted_or_asked_for(tmp_path: Path) -> None:
    run_managed(an_experiment(tmp_path), tmp_path / "run")
    assert _experiment(None, {}, tmp_path / "run", True).servers == "together"
    assert _experiment(None, {"servers": "in-turn"}, tmp_path / "run", True).servers == "in-turn"
    with pytest.raises(DraftlabError, match="was started with repetitions = 1, not 2"):
        _experiment(None, {"servers": "in-turn", "repetitions": 2}, tmp_path / "run", True)


def test_under_load_the_mode_is_kept_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = an_experiment(tmp_path)
    let_memory_hold(monkeypatch, tmp_path, 9)
    bench_under_load(asked, "1", tmp_path / "load", resume=False, json=True)
    assert read_load(tmp_path / "load")[0].experiment["servers"] == "in-turn"
    for block in (tmp_path / "load" / "blocks").glob("*-speculative.json"):
        block.unlink()
    let_memory_hold(monkeypatch, tmp_path, 20)
    capsys.readouterr()
    bench_under_load(an_experiment(tmp_path, servers="together"), "1", tmp_path / "load", resume=True, json=True)
    assert "from here on" in capsys.readouterr().err
    assert len(list((tmp_path / "load" / "blocks").iterdir())) == 2


@pytest.mark.parametrize(("servers", "in_turn"), [(None, True), ("in-turn", True), ("together", False)])
def test_where_there_is_a_gpu_memory_of_the_machine_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: str | None, in_turn: bool
) -> None:
    asked: Any = an_experiment(tmp_path, servers=servers)
    let_memory_hold(monkeypatch, tmp_path, 1)
    monkeypatch.setattr(room, "has_gpu", lambda: True)
    said: list[str] = []
    assert room.take_turns(asked, plan_of(asked), said.append) is in_turn
    assert [line.partition(",")[0] for line in said] == ([] if servers else ["there is a GPU"])


@pytest.mark.parametrize(
    ("script", "visible", "found"),
    [("echo 'GPU 0: NVIDIA H100'", None, True), ("echo 'GPU 0: NVIDIA H100'", "", False), ("exit 9", None, False),
     ("echo 'No devices found.'", None, False)],
)  # fmt: skip
def test_a_gpu_is_found_by_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, visible: str | None, found: bool
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    assert gpu.has_gpu() is found


@pytest.mark.parametrize(("servers", "advised"), [("together", True), ("in-turn", False)])
def test_one_that_does_not_come_up_beside_the_other_is_advised_to_wait_for_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: str, advised: bool
) -> None:
    (tmp_path / "program.py").write_text(
        "import runpy, sys\n"
        "if '--speculative-config' in sys.argv: sys.exit('no memory')\n"
        f"runpy.run_path({PROGRAM!r}, run_name='__main__')\n"
    )
    monkeypatch.setattr("tests.unit.managing.PROGRAM", str(tmp_path / "program.py"))
    let_engine_behave(monkeypatch, "well")
    with pytest.raises(DraftlabError, match="speculative server ended with status 1 before it was ready") as caught:
        run_managed(an_experiment(tmp_path, servers=servers, engine_program=sys.executable), tmp_path / "run")
    assert ("try --servers in-turn" in str(caught.value.hint)) is advised
