"""Servers that are started for a run: how, until when, and what is said where they do not come up."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from draftlab.endpoint.client import Client
from draftlab.errors import DraftlabError
from draftlab.managed import process, run
from draftlab.managed.engines import ENGINES, PORT, ServerEngine, with_port
from draftlab.managed.process import started
from draftlab.managed.run import plan_of, run_managed
from draftlab.report.measure import measure
from draftlab.spec import make_experiment
from draftlab.store import Store

PROGRAM = str(Path(__file__).with_name("server_program.py"))


def serve(how: str, *more: str) -> list[str]:
    return [sys.executable, PROGRAM, how, *more, "--port", PORT]


def quiet(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE_S", 1.0)
    monkeypatch.setattr(process, "_POLL_S", 0.05)


@pytest.fixture
def target(tmp_path: Path) -> str:
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return str(folder)


@pytest.fixture
def experiment(tmp_path: Path, target: str) -> Callable[..., Any]:
    suite = tmp_path / "mine.jsonl"
    lines = [{"id": f"p{i}", "category": "code", "prompt": f"text {i}"} for i in range(4)]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def make(**settings: Any) -> Any:
        given = {"engine": "vllm", "engine_program": sys.executable, "target": target, "drafters": ("ngram",),
                 "gammas": (4,), "suites": (str(suite),), "max_new_tokens": 8}  # fmt: skip
        return make_experiment({**given, **settings})

    return make


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have `vllm` be a program of ours that behaves so."""

    def behave(how: str) -> None:
        def command(python: str, plan: Any) -> list[str]:
            return [python, PROGRAM, how, *(["--speculative-config", "{}"] if plan.drafter else []), "--port", PORT]

        monkeypatch.setattr(run, "engine_called", lambda _: ServerEngine(command, "a program"))

    return behave


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("how", ["well", "stubborn"])
def test_a_server_lives_as_long_as_its_block(tmp_path: Path, how: str) -> None:
    with started("plain", serve(how), {}, tmp_path, quiet) as url:
        pid, _ = json.loads((tmp_path / "plain.pid").read_text())
        assert lives(pid)
        assert url.startswith("http://127.0.0.1:")
        with Client(url) as client:
            assert client.models() == ["small"]
    assert not lives(pid)
    assert not (tmp_path / "plain.pid").exists()


def test_one_that_ends_at_once_is_told_with_its_last_error(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="status 1 before it was ready: ValueError: this engine") as caught:
        started("plain", serve("fails"), {}, tmp_path, quiet).__enter__()
    assert "plain.log" in str(caught.value.hint)


def test_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DraftlabError, match=r"was not ready within 0\.5 s"):
        started("plain", serve("sleeps"), {}, tmp_path, quiet, ready_s=0.5).__enter__()
    assert time.monotonic() - begun < 30
    assert not [each for each in psutil.process_iter(["cmdline"]) if "sleeps" in (each.info["cmdline"] or [])]


def test_what_a_killed_run_left_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    left = subprocess.Popen(with_port(serve("sleeps"), 1), start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        (tmp_path / "plain.pid").write_text(json.dumps([left.pid, psutil.Process(left.pid).create_time()]))
        (tmp_path / "speculative.pid").write_text(json.dumps([other.pid, 1.0]))  # the number went to another program
        for name in ("plain", "speculative"):
            with started(name, serve("well"), {}, tmp_path, quiet):
                pass
        assert left.wait(timeout=5) != 0
        assert other.poll() is None
    finally:
        left.kill()
        other.kill()
        left.wait()
        other.wait()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="cannot start /nowhere/python"):
        started("plain", ["/nowhere/python"], {}, tmp_path, quiet).__enter__()


def test_a_run_starts_both_measures_and_ends_them(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine("well")
    run_managed(experiment(), tmp_path / "run")
    store = Store.open(tmp_path / "run")
    assert [arm.id for arm in store.manifest().arms] == ["none", "ngram gamma=4"]
    assert all(trace.status == "ok" for trace in store.traces())
    found = {each.arm: each for each in measure(store).servers}
    assert (found["ngram gamma=4"].drafted, found["ngram gamma=4"].accepted) == (24, 20)
    assert store.manifest().drafters["server"]["command"][-1] == PORT
    assert not list((tmp_path / "run.servers").glob("*.pid"))


def test_a_run_goes_on_with_other_servers(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine("well")
    asked = experiment()
    run_managed(asked, tmp_path / "run")
    traces = tmp_path / "run" / "traces.jsonl"
    lines = traces.read_text().splitlines(keepends=True)
    traces.write_text("".join(lines[:3]))
    run_managed(asked, tmp_path / "run", resume=True)
    assert len(traces.read_text().splitlines()) == len(lines) == 8


def test_a_server_that_dies_in_the_middle_leaves_failed_traces(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine("dies")
    run_managed(experiment(), tmp_path / "run")
    traces = list(Store.open(tmp_path / "run").traces())
    assert {trace.status for trace in traces if trace.arm == "none"} == {"ok"}
    assert [trace.status for trace in traces if trace.arm != "none"].count("failed") >= 1
    assert len(traces) == 8


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine_program": None}, "does not know which program"),
        ({"engine_program": "/nowhere/python"}, "there is no program /nowhere/python"),
        ({"gammas": ("auto",)}, "needs a draft length"),
        ({"gammas": (0,)}, "needs a draft length"),
        ({"gammas": (2, 4)}, "1 drafters and 2 draft lengths"),
        ({"drafters": ("none",)}, "needs a drafter"),
        ({"drafters": ("lookup+ngram",)}, "no other engine has it"),
        ({"drafters": ("lookup+eagle:x",)}, "no other engine has it"),
        ({"drafters": ("eagle:smollm2-135m-eagle3",), "engine": "llama.cpp"}, "an EAGLE-3 head as a GGUF file alone"),
        ({"target": "toy"}, "draftlab's own"),
        ({"exact": True}, "--exact is not for --engine vllm"),
        ({"phases": 2}, "--phases is not for --engine vllm"),
    ],
)
def test_what_cannot_be_started_is_refused_before_anything_is(
    tmp_path: Path, experiment: Callable[..., Any], settings: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(DraftlabError, match=said):
        run_managed(experiment(**settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.servers").exists()


@pytest.mark.parametrize(
    ("engine", "drafter"),
    [*itertools.product(sorted(ENGINES), ["ngram", "model"]), ("vllm", "eagle"), ("sglang", "eagle")],
)
def test_plain_and_speculative_differ_by_speculation_alone(
    experiment: Callable[..., Any], target: str, engine: str, drafter: str
) -> None:
    text = "ngram" if drafter == "ngram" else f"{drafter}:{target}"
    plan = plan_of(experiment(engine=engine, drafters=(text,)))
    plain = ENGINES[engine].command("program", run.without_drafter(plan))
    drafted = ENGINES[engine].command("program", plan)
    assert plain[0] == drafted[0] == "program"
    added = [word for word in drafted if word not in plain]
    assert added
    assert all("spec" in word or word in ("-md", "summary") or not word.startswith("--") for word in added)
    assert [word for word in plain if word not in drafted] == []
    assert plain.count(PORT) == drafted.count(PORT) == 1
    assert "127.0.0.1" in plain and "127.0.0.1" in drafted


def test_the_users_own_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    given = ENGINES["vllm"].environment(tmp_path / "bin" / "python")
    assert "VLLM_CPU_KVCACHE_SPACE" not in given
    assert given["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "7"
