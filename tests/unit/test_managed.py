"""Runs on servers that are started for them: both at once or in turn, and what is refused before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.load.prepare import prepare_load
from draftlab.load.run import read_load, run_load
from draftlab.managed.engines import PORT
from draftlab.managed.run import run_managed, servers_of
from draftlab.report.measure import measure
from draftlab.spec import make_experiment
from draftlab.store import Store
from tests.unit.managing import an_experiment, be_impatient, let_engine_behave


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


@pytest.fixture
def experiment(tmp_path: Path) -> Callable[..., Any]:
    return partial(an_experiment, tmp_path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return partial(let_engine_behave, monkeypatch)


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
