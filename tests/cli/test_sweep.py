"""Sweeps as a user runs them: on this machine, on Ray, through submitit; workers and drivers are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from draftlab.errors import DraftlabError
from draftlab.grid.folder import SweepFolder
from draftlab.grid.measure import measure_grid
from draftlab.spec import make_experiment
from draftlab.sweep.slots import gpus_per_cell, slots_here
from tests.cli.conftest import Command
from tests.cli.test_resume import CHILD

SLOW_TOKENS = 400
NODE = {"num_cpus": 1, "node_ip_address": "127.0.0.2"}  # loopback: Ray takes 127.0.0.1 for any address here


@pytest.fixture
def grid(tmp_path: Path) -> Callable[..., str]:
    """A spec of two cells, with changes."""
    rows = [{"id": f"p{i}", "category": "code", "prompt": f"prompt {i}: "} for i in range(6)]
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)))

    def write(**changes: Any) -> str:
        content = {"target": "toy", "drafters": ["ngram", "model:toy:0.3"], "gammas": [2], "suites": ["many.jsonl"],
                   "max_new_tokens": 4, **changes}  # fmt: skip
        (tmp_path / "grid.toml").write_text(
            "\n".join(f"{name} = {json.dumps(value)}" for name, value in content.items())
        )
        return "grid.toml"

    return write


def driver(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`draftlab sweep` in a process of its own."""
    command = [sys.executable, "-c", CHILD, "sweep", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(what: Callable[[], Any], patience: float = 300.0) -> Any:
    """Wait for something to be true."""
    give_up = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < give_up, "it never came to that"
        time.sleep(0.02)
    return found


def processes(*words: str) -> list[psutil.Process]:
    """Those whose command has these words."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if all(word in line for word in words):
            found.append(process)
    return found


def workers_in(folder: Path) -> list[psutil.Process]:
    """The workers of sweeps that were started in `folder`; there may be others on this machine."""
    return [process for process in processes("draftlab.sweep.worker") if process.cwd() == str(folder.resolve())]


def test_cells_can_be_listed_without_running_any(draftlab: Command, grid: Callable[..., str], tmp_path: Path) -> None:
    result = draftlab("sweep", grid(gammas=[1, 2, 3]), "--list")
    assert result.status == 0
    assert [line.partition("  ")[2] for line in result.out.splitlines()] == [
        "toy, ngram, rejection, many.jsonl",
        "toy, model:toy:0.3, rejection, many.jsonl",
    ]
    assert not (tmp_path / "sweeps").exists()


def test_two_workers_here(draftlab: Command, grid: Callable[..., str], tmp_path: Path) -> None:
    spec = grid()
    result = draftlab("sweep", spec, "--out", "s", "--workers", str(min(2, os.cpu_count() or 1)), "--html", "page.html")
    assert result.status == 0, result.err
    assert "2/2 toy" in result.err
    assert "2 of 2 cells" in result.out
    assert (tmp_path / "page.html").stat().st_size > 10_000
    document = draftlab("report", "s", "--json").document
    assert (document["num_done"], document["missing"]) == (2, [])
    assert {speed["drafter"] for speed in document["speeds"]} == {"ngram", "model:toy:0.3"}
    again = draftlab("sweep", spec, "--out", "s", "--resume", "--json")
    assert again.document == document
    assert "2 cells, 2 of them done before" in again.err
    cell = next((tmp_path / "s" / "cells").iterdir())
    assert draftlab("report", str(cell)).status == 0


def test_a_cell_that_cannot_run_ends_with_status_1(draftlab: Command, grid: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = draftlab("sweep", grid(drafters=["ngram", "model:./empty"]), "--out", "s")
    assert result.status == 1
    assert "failed: toy, model:./empty, rejection, many.jsonl: " in result.out
    assert "1 of 2 cells" in result.out
    assert "Traceback" not in result.err + result.out


def test_a_killed_worker_is_started_again(grid: Callable[..., str], tmp_path: Path) -> None:
    grid(drafters=["ngram"], max_new_tokens=SLOW_TOKENS, repetitions=20)
    child = driver(tmp_path, "grid.toml", "--out", "s")
    try:
        traces = tmp_path / "s" / "work"
        until(lambda: [p for p in traces.glob("*/traces.jsonl") if p.read_bytes().count(b"\n") > 3])
        (worker,) = workers_in(tmp_path)
        worker.kill()
        _, err = child.communicate(timeout=900)
    finally:
        child.kill()
    assert child.returncode == 0, err
    assert "status -9; tried again" in err
    report = measure_grid(SweepFolder(tmp_path / "s"))
    assert (report.num_done, report.has_failures) == (1, False)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_goes_takes_its_workers_along(
    draftlab: Command, grid: Callable[..., str], tmp_path: Path, sign: signal.Signals
) -> None:
    spec = grid(drafters=["ngram"], max_new_tokens=SLOW_TOKENS, repetitions=20)
    child = driver(tmp_path, spec, "--out", "s")
    try:
        work = tmp_path / "s" / "work"
        (traces,) = until(lambda: [p for p in work.glob("*/traces.jsonl") if p.read_bytes().count(b"\n") > 3])
        (worker,) = workers_in(tmp_path)
        child.send_signal(sign)
        _, err = child.communicate(timeout=120)
        until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    finally:
        child.kill()
    if sign == signal.SIGINT:
        assert child.returncode == 130
        assert "--resume --out s" in err
    before = traces.read_bytes().rpartition(b"\n")[0]
    assert draftlab("sweep", spec, "--out", "s", "--resume").status == 0
    (cell,) = (tmp_path / "s" / "cells").iterdir()
    assert (cell / "traces.jsonl").read_bytes().startswith(before)  # what was decoded was not decoded again


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.toml"], "cannot read the spec nowhere.toml"),
        (["grid.toml", "--resume"], "--resume does not know which sweep"),
        (["grid.toml", "--workers", "1", "--ray", "auto"], "three ways of running cells"),
        (["grid.toml", "--slurm-set", "a=1"], "--slurm-set is of --slurm"),
        (["grid.toml", "--slurm", "gpu", "--slurm-set", "timeout"], "--slurm-set cannot be timeout"),
        (["grid.toml", "--workers", "5000"], "--workers 5000 is more than"),
        (["grid.toml", "--cpus", "2"], "--cpus and --gpus are of --ray and --slurm"),
        (["grid.toml", "--slurm", "gpu"], "Slurm cannot be used"),
        (["grid.toml", "--slurm", "local", "--slurm-set", "no_such_setting=1"], "Slurm cannot be used"),
    ],
)
def test_bad_input(draftlab: Command, grid: Callable[..., str], words: list[str], told: str) -> None:
    grid()
    result = draftlab("sweep", *words)
    assert result.status == 2
    assert told in result.error


def test_a_sweep_is_no_run(draftlab: Command, grid: Callable[..., str], tmp_path: Path) -> None:
    draftlab("sweep", grid(drafters=["ngram"]), "--out", "s")
    assert "is a sweep" in draftlab("report", "s", "--markdown").error
    assert draftlab("report", "s").status == 0


def asked(**settings: Any) -> Any:
    return make_experiment({"target": "toy", **settings})


def gpus(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: number)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_gpus_have_a_worker_each(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(3, monkeypatch)
    assert [slot.environment for slot in slots_here(None, asked())] == [
        {"CUDA_VISIBLE_DEVICES": str(i)} for i in range(3)
    ]
    assert len(slots_here(2, asked())) == 2
    with pytest.raises(DraftlabError, match="more than the 3 GPUs"):
        slots_here(4, asked())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7,GPU-1")
    assert [slot.name for slot in slots_here(None, asked())] == ["GPU 5", "GPU 7", "GPU GPU-1"]


def test_a_cell_gets_the_gpus_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(5, monkeypatch)
    assert [slot.name for slot in slots_here(None, asked(tensor_parallel=2))] == ["GPU 0,1", "GPU 2,3"]
    assert [slot.name for slot in slots_here(None, asked(device="spread"))] == ["GPU 0,1,2,3,4"]
    assert [slot.name for slot in slots_here(None, asked(device="cpu"))] == ["worker 1"]
    with pytest.raises(DraftlabError, match="a cell needs 8 GPUs, and there are 5"):
        slots_here(None, asked(tensor_parallel=8))
    with pytest.raises(DraftlabError, match="cannot have the device cuda:1"):
        gpus_per_cell(asked(device="cuda:1"))


def test_processors_are_shared_out_core_by_core(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(0, monkeypatch)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(
        "draftlab.sweep.slots._siblings", lambda core: {core % 4, core % 4 + 4}
    )  # as Linux numbers them
    assert [(slot.cores, slot.environment) for slot in slots_here(2, asked())] == [
        ((0, 1, 4, 5), {"OMP_NUM_THREADS": "2"}),
        ((2, 3, 6, 7), {"OMP_NUM_THREADS": "2"}),
    ]
    assert slots_here(None, asked())[0].cores == ()
    with pytest.raises(DraftlabError, match="more than the 4 cores"):
        slots_here(5, asked())


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of Ray here, of a processor each; no other cluster of this machine is touched."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        yield nodes
    finally:
        nodes.shutdown()


def test_a_ray_cluster_that_loses_a_worker_and_a_node_has_every_cell_once(
    draftlab: Command, grid: Callable[..., str], tmp_path: Path, cluster: Any
) -> None:
    lost = cluster.add_node(**NODE)
    spec = grid(gammas=[2, 3], max_new_tokens=SLOW_TOKENS, repetitions=20, suites=[str(tmp_path / "many.jsonl")])
    others = {process.pid for process in processes("ray::files_of_cell")}

    def workers() -> list[psutil.Process]:
        return [process for process in processes("ray::files_of_cell") if process.pid not in others]

    child = driver(tmp_path, spec, "--out", "ray", "--ray", cluster.address)
    try:
        until(lambda: len(workers()) == 2, patience=600)
        time.sleep(2)  # somewhere in their decodes
        workers()[0].kill()
        cluster.remove_node(lost)
        _, err = child.communicate(timeout=900)
    finally:
        child.kill()
    assert child.returncode == 0, err
    on_ray = measure_grid(SweepFolder(tmp_path / "ray"))
    assert (on_ray.num_done, on_ray.num_cells, on_ray.has_failures) == (2, 2, False)
    assert draftlab("sweep", spec, "--out", "here").status == 0
    assert on_ray.acceptance == measure_grid(SweepFolder(tmp_path / "here")).acceptance
    too_many = draftlab("sweep", spec, "--out", "other", "--ray", cluster.address, "--cpus", "2")
    assert "no node of the Ray cluster" in too_many.error
    elsewhere = draftlab("sweep", grid(), "--out", "other", "--resume", "--ray", cluster.address)
    assert "many.jsonl is a path from this folder" in elsewhere.error


def test_jobs_of_submitit(draftlab: Command, grid: Callable[..., str], tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    (tmp_path / "empty").mkdir()
    result = draftlab("sweep", grid(drafters=["ngram", "model:./empty"]), "--out", "s", "--slurm", "local")
    assert result.status == 1, result.err
    assert "1 of 2 cells" in result.out
    assert "failed: toy, model:./empty" in result.out
    assert result.err.count("jobs submitted: 1") == 2


def test_extras_that_are_not_installed_are_named(
    draftlab: Command, grid: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    grid(suites=["code"])
    for module in ("on_ray", "on_slurm"):
        monkeypatch.setattr(f"draftlab.sweep.{module}.find_spec", lambda _: None)
    assert "pip install 'draftlab[ray]'" in draftlab("sweep", "grid.toml", "--out", "a", "--ray", "auto").error
    assert "pip install 'draftlab[slurm]'" in draftlab("sweep", "grid.toml", "--out", "b", "--slurm", "gpu").error
