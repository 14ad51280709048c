"""A run goes on where it can, begins nothing that cannot run, and never does a decode twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from draftlab.bench import run as run_module
from draftlab.bench.plan import plan
from draftlab.bench.recorder import Recording
from draftlab.bench.run import Observer, run_bench
from draftlab.errors import DraftlabError
from draftlab.records import Trace
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, bench


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


class Watch(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.planned_tasks = (0, 0)
        self.ended_keys: list[tuple[str, str, int]] = []

    def planned(self, num_tasks: int, num_done: int) -> None:
        self.planned_tasks = (num_tasks, num_done)

    def ended(self, trace: Trace) -> None:
        self.ended_keys.append(trace.key)


def test_every_task_becomes_one_trace_in_the_order_of_the_plan(folder: Path) -> None:
    prepared, watch = bench(num_prompts=3, repetitions=2), Watch()
    store = run_bench(prepared, folder, observer=watch)
    keys = [task.key for task in plan(prepared)]
    assert [trace.key for trace in store.traces()] == keys == watch.ended_keys
    assert watch.planned_tasks == (12, 0)


def test_a_decode_that_raises_becomes_one_failed_trace_and_the_run_goes_on(folder: Path) -> None:
    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        if prompt == [1]:
            raise ArithmeticError("no\nsecond line")
        return Recording((1, 2), decode_ns=1)

    traces = list(run_bench(bench(num_prompts=3, decode=decode), folder).traces())
    failed = [trace for trace in traces if trace.status == "failed"]
    assert [trace.prompt_id for trace in failed] == ["p1", "p1"]
    assert {trace.error for trace in failed} == {"ArithmeticError: no"}
    assert all(trace.tokens == () and trace.decode_ns is None for trace in failed)
    assert len(traces) == 6


def test_all_arms_of_a_prompt_have_one_seed_and_no_two_prompts_share_it(folder: Path) -> None:
    seeds: dict[tuple[str, int], set[int]] = {}
    for trace in run_bench(bench(num_prompts=3, repetitions=2), folder).traces():
        seeds.setdefault((trace.prompt_id, trace.repetition), set()).add(trace.seed)
    assert all(len(each) == 1 for each in seeds.values())
    assert len(set.union(*seeds.values())) == 6


def test_a_model_that_cannot_run_at_all_leaves_nothing_behind(folder: Path) -> None:
    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        raise DraftlabError("it does not fit")

    with pytest.raises(DraftlabError, match="it does not fit"):
        run_bench(bench(decode=decode), folder)
    assert not folder.exists()


def test_an_interrupted_run_keeps_what_it_has_and_is_finished_later(folder: Path) -> None:
    calls = 0

    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        nonlocal calls
        calls += 1
        if calls == 6:  # two to warm up, three that count
            raise KeyboardInterrupt
        return Recording((1, 2), decode_ns=calls)

    prepared = bench(num_prompts=4, decode=decode)
    with pytest.raises(KeyboardInterrupt):
        run_bench(prepared, folder)
    before = list(Store.open(folder).traces())
    assert len(before) == 3
    watch = Watch()
    after = list(run_bench(prepared, folder, resume=True, observer=watch).traces())
    assert after[:3] == before
    assert watch.planned_tasks == (8, 3)
    assert sorted(trace.key for trace in after) == sorted(task.key for task in plan(prepared))


def test_a_finished_run_is_not_even_warmed_up_again(folder: Path) -> None:
    run_bench(bench(), folder)
    before = list(Store.open(folder).traces())

    def never(prompt: Sequence[int], room: int, seed: int) -> Recording:
        raise AssertionError("nothing is left to do")

    assert list(run_bench(bench(decode=never), folder, resume=True).traces()) == before


def test_what_another_process_finished_during_the_warm_up_is_not_done_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = bench(num_prompts=2)
    with Store.create(folder, run_module.make_manifest(prepared)).writer():
        pass  # begun, and nothing done
    warm_up = run_module._warm_up

    def while_another_finishes(mine: object) -> None:
        monkeypatch.setattr(run_module, "_warm_up", warm_up)
        run_bench(prepared, folder, resume=True)

    monkeypatch.setattr(run_module, "_warm_up", while_another_finishes)
    keys = [trace.key for trace in run_bench(prepared, folder, resume=True).traces()]
    assert sorted(keys) == sorted(task.key for task in plan(prepared))


@pytest.mark.parametrize("other", [bench(num_prompts=3), bench([BASELINE]), bench(repetitions=2)])
def test_a_run_of_something_else_is_not_resumed(folder: Path, other: run_module.PreparedBench) -> None:
    run_bench(bench([BASELINE, DRAFTED], num_prompts=2), folder)
    with pytest.raises(DraftlabError, match="decodes something else"):
        run_bench(other, folder, resume=True)


def test_a_run_is_not_resumed_with_another_drafter_behind_the_same_name(folder: Path) -> None:
    first, second = ({"tiny": {"files": {"weights": sha}}} for sha in ("aa", "bb"))
    run_bench(replace(bench(), drafters=first), folder)
    with pytest.raises(DraftlabError, match="decodes something else"):
        run_bench(replace(bench(), drafters=second), folder, resume=True)


def test_a_run_is_not_begun_over_another(folder: Path) -> None:
    run_bench(bench(), folder)
    with pytest.raises(DraftlabError, match="there is already a run"):
        run_bench(bench(), folder)
