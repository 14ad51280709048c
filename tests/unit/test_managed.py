"""Servers that are started for a run: how, until when, and what is said where they do not come up."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from draftlab.endpoint.client import Client
from draftlab.errors import DraftlabError
from draftlab.load.prepare import prepare_load
from draftlab.load.run import read_load, run_load
from draftlab.managed import room, run
from draftlab.managed.engines import CONFIG, ENGINES, PORT, Launch, launch
from draftlab.managed.process import end_left_overs, started
from draftlab.managed.run import plan_of, run_managed, servers_of
from draftlab.report.measure import measure
from draftlab.spec import make_experiment
from draftlab.store import Store
from tests.unit.managing import PROGRAM, an_experiment, be_impatient, let_engine_behave, lives


def serve(how: str, *more: str) -> Launch:
    return Launch([sys.executable, PROGRAM, how, *more, "--port", PORT])


def quiet(_: str) -> None:
    pass


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


@pytest.fixture
def target(tmp_path: Path) -> str:
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return str(folder)


@pytest.fixture
def experiment(tmp_path: Path, target: str) -> Callable[..., Any]:
    return partial(an_experiment, tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return partial(let_engine_behave, monkeypatch)


@pytest.mark.parametrize("how", ["well", "stubborn"])
def test_a_server_lives_as_long_as_its_block(tmp_path: Path, how: str) -> None:
    with started("plain", serve(how), tmp_path, quiet) as url:
        pid, _ = json.loads((tmp_path / "plain.pid").read_text())
        assert lives(pid)
        assert url.startswith("http://127.0.0.1:")
        with Client(url) as client:
            assert client.models() == ["small"]
    assert not lives(pid)
    assert not (tmp_path / "plain.pid").exists()


def test_one_that_ends_at_once_is_told_with_its_last_error(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="status 1 before it was ready: ValueError: this engine") as caught:
        started("plain", serve("fails"), tmp_path, quiet).__enter__()
    assert "plain.log" in str(caught.value.hint)


def test_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DraftlabError, match=r"was not ready within 0\.5 s"):
        started("plain", serve("sleeps"), tmp_path, quiet, ready_s=0.5).__enter__()
    assert time.monotonic() - begun < 30
    assert not [each for each in psutil.process_iter(["cmdline"]) if "sleeps" in (each.info["cmdline"] or [])]


def test_what_a_killed_run_left_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    left = subprocess.Popen(serve("sleeps").words(1, tmp_path), start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        (tmp_path / "plain.pid").write_text(json.dumps([left.pid, psutil.Process(left.pid).create_time()]))
        (tmp_path / "speculative.pid").write_text(json.dumps([other.pid, 1.0]))  # the number went to another program
        for name in ("plain", "speculative"):
            with started(name, serve("well"), tmp_path, quiet):
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
        started("plain", Launch(["/nowhere/python"]), tmp_path, quiet).__enter__()


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


class Starts:
    """Which servers were started, and that no other was up then; the servers of a run in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.with_name(f"{folder.name}.servers")
        self.names: list[str] = []
        self.said: list[str] = []

    def __call__(self, line: str) -> None:
        self.said.append(line)
        if line.startswith("starting the "):
            assert not list(self._folder.glob("*.pid"))
            self.names.append(line.split()[2])


def test_in_turn_one_server_is_up_at_a_time_and_the_run_is_an_ordinary_one(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine("well")
    starts = Starts(tmp_path / "run")
    run_managed(experiment(servers="in-turn"), tmp_path / "run", say=starts)
    assert starts.names == ["speculative", "plain", "speculative", "plain"]  # the first only to see that it speculates
    store = Store.open(tmp_path / "run")
    assert [(trace.arm == "none", trace.prompt_id) for trace in store.traces()] == [
        (True, "p0"), (True, "p2"), (False, "p0"), (False, "p2"), (False, "p1"), (False, "p3"), (True, "p1"),
        (True, "p3"),
    ]  # fmt: skip
    assert [sample.moment for sample in store.samples()] == ["begin", "end"] * 3
    report = measure(store)
    assert report.complete and report.arms[0].walltime_speedup.value
    assert "one server at a time" in store.manifest().target["url"]


def test_every_start_of_the_speculative_server_has_to_speculate(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    speculates = tmp_path / "speculates"
    engine(str(speculates))
    asked = experiment(servers="in-turn")
    speculates.touch()
    with pytest.raises(DraftlabError, match="tells nothing of speculation"):
        run_managed(asked, tmp_path / "run")
    done = list(Store.open(tmp_path / "run").traces())
    assert [(trace.arm, trace.status) for trace in done] == [("none", "ok")] * 2  # no failed trace counts as done
    engine("well")
    run_managed(asked, tmp_path / "run", resume=True)
    traces = list(Store.open(tmp_path / "run").traces())
    assert traces[:2] == done and len(traces) == 8 and {trace.status for trace in traces} == {"ok"}


def test_one_that_never_speculates_leaves_no_run(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine(str(tmp_path / "not there"))
    with pytest.raises(DraftlabError, match="tells nothing of speculation"):
        run_managed(experiment(servers="in-turn"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "run.servers").glob("*.pid"))


def test_a_server_that_dies_in_its_turn_is_started_for_the_next(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine("dies")
    starts = Starts(tmp_path / "run")
    run_managed(experiment(servers="in-turn", repetitions=2), tmp_path / "run", say=starts)
    assert starts.names == ["speculative", "plain"] * 3
    told = [trace.status for trace in Store.open(tmp_path / "run").traces() if trace.arm != "none"]
    assert told == ["ok", "ok", "failed", "failed"] * 2


def test_under_load_servers_take_turns_as_well(
    tmp_path: Path, experiment: Callable[..., Any], engine: Callable[[str], None]
) -> None:
    engine("well")
    asked = experiment(servers="in-turn")
    starts = Starts(tmp_path / "load")
    with servers_of(asked, tmp_path / "load", starts) as on:
        load = prepare_load(asked, (1, 2), on)
        run_load(load.settings, load.servers, load.prompts, tmp_path / "load", say=starts)
    assert starts.names == ["speculative", "plain", "speculative", "plain"]
    assert sum("asking the speculative server" in line for line in starts.said) == 2
    _, blocks = read_load(tmp_path / "load")
    assert len(blocks) == 4 and all(request.error is None for block in blocks for request in block.requests)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"engine": "endpoint", "servers": "in-turn"},
            "--servers cannot be in-turn: it is of an engine that is started",
        ),
        ({"engine": "vllm", "servers": "both"}, "--servers cannot be both: it should be 'together' or 'in-turn'"),
    ],
)
def test_only_servers_that_are_started_here_take_turns(settings: Mapping[str, Any], said: str) -> None:
    with pytest.raises(DraftlabError, match=said):
        make_experiment(settings)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch, target: str) -> Callable[[float], None]:
    """Have a target of 2 GiB, and so many GiB be free."""
    with (Path(target) / "model.safetensors").open("wb") as file:
        file.truncate(2 * 2**30)

    def free(gib: float) -> None:
        monkeypatch.setattr(room.psutil, "virtual_memory", lambda: SimpleNamespace(available=int(gib * 2**30)))

    return free


@pytest.mark.parametrize(
    ("gib", "servers", "in_turn"),
    [(10.1, None, False), (9.9, None, True), (5.1, None, True), (100, "in-turn", True), (10.1, "together", False)],
)
def test_servers_take_turns_where_memory_does_not_hold_both_or_it_was_asked_for(
    experiment: Callable[..., Any], memory: Callable[[float], None], gib: float, servers: str | None, in_turn: bool
) -> None:
    memory(gib)
    asked = experiment(servers=servers)
    said: list[str] = []
    assert room.take_turns(asked, plan_of(asked), said.append) is in_turn
    why = ["two servers of vllm need about 10.0 GiB"] if in_turn and servers is None else []
    assert [line.partition(", and")[0] for line in said] == why


@pytest.mark.parametrize(
    ("gib", "servers", "why"),
    [(4.9, None, "a server of vllm needs about 5.0 GiB, and 4.9 are free"), (4.9, "in-turn", "a server of vllm"),
     (9.9, "together", "two servers of vllm need about 10.0 GiB, and 9.9 are free")],
)  # fmt: skip
def test_what_memory_does_not_hold_is_refused(
    tmp_path: Path,
    experiment: Callable[..., Any],
    memory: Callable[[float], None],
    gib: float,
    servers: str | None,
    why: str,
) -> None:
    memory(gib)
    with pytest.raises(DraftlabError, match=why):
        run_managed(experiment(servers=servers), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_was_left_behind_is_ended_before_memory_is_counted(tmp_path: Path) -> None:
    left = subprocess.Popen(serve("sleeps").words(1, tmp_path), start_new_session=True)
    try:
        (tmp_path / "plain.pid").write_text(json.dumps([left.pid, psutil.Process(left.pid).create_time()]))
        end_left_overs(tmp_path)
        assert left.wait(timeout=5) != 0
    finally:
        left.kill()
        left.wait()


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
    launches = [launch(ENGINES[engine], "program", each) for each in (run.without_drafter(plan), plan)]
    plain, drafted = ([*each.command, *(each.config or "").splitlines()] for each in launches)
    assert plain[0] == drafted[0] == "program"
    added = [word for word in drafted if word not in plain]
    assert added
    assert all("spec" in word or word in ("-md", "summary") or not word.startswith("--") for word in added)
    assert [each.config is None or PORT not in each.config for each in launches] == [True, True]
    assert [word for word in plain if word not in drafted] == []
    assert plain.count(PORT) == drafted.count(PORT) == 1
    assert "127.0.0.1" in plain and "127.0.0.1" in drafted


def test_what_tensorrt_llm_is_told_stands_in_a_file_beside_the_log(
    tmp_path: Path, experiment: Callable[..., Any], target: str
) -> None:
    plan = plan_of(experiment(engine="trtllm", drafters=(f"model:{target}",)))
    made = launch(ENGINES["trtllm"], "trtllm-serve", plan)
    assert made.words(80, Path("/logs/x.yaml")) == [
        "trtllm-serve", target, "--backend", "pytorch", "--host", "127.0.0.1", "--port", "80", "--config",
        "/logs/x.yaml",
    ]  # fmt: skip
    assert made.config is not None and made.config.startswith("speculative_config:\n  decoding_type: Draft_Target\n")
    assert made.facts == {"command": list(made.command), "config": made.config}
    plain = launch(ENGINES["trtllm"], "trtllm-serve", run.without_drafter(plan)).config
    assert plain is not None and made.config.endswith(plain) and plain.startswith("disable_overlap_scheduler: true\n")


def test_a_file_is_written_before_its_server_is_started(tmp_path: Path) -> None:
    made = Launch([*serve("well").command, CONFIG], config="a: 1\n")
    with started("plain", made, tmp_path, quiet):
        (config,) = tmp_path.glob("*.yaml")
        assert config.read_text() == "a: 1\n"
        pid, _ = json.loads((tmp_path / "plain.pid").read_text())
        assert psutil.Process(pid).cmdline()[-1] == str(config)


def test_the_users_own_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    given = ENGINES["vllm"].environment(tmp_path / "bin" / "python")
    assert "VLLM_CPU_KVCACHE_SPACE" not in given
    assert given["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "7"
