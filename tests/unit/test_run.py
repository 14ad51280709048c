"""A run goes on where it can, begins nothing that cannot run, and never does a decode twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from draftlab.bench import run as run_module
from draftlab.bench.manifest import fingerprint
from draftlab.bench.plan import plan
from draftlab.bench.recorder import Recording
from draftlab.bench.run import Observer, run_bench
from draftlab.errors import DraftlabError, EngineLostError
from draftlab.precision import Progress
from draftlab.records import Goal, Trace
from draftlab.report.measure import measure
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
        self.rounds: list[tuple[int, int]] = []

    def planned(self, num_tasks: int, num_done: int) -> None:
        self.planned_tasks = (num_tasks, num_done)

    def repeats(self, num_tasks: int, reached: Progress) -> None:
        self.rounds.append((num_tasks, reached.repetitions))

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


@pytest.mark.parametrize("raised", [ArithmeticError("no"), EngineLostError("its processes have ended")])
def test_where_what_decodes_is_lost_the_run_ends_and_can_be_resumed(folder: Path, raised: Exception) -> None:
    lost: list[Exception] = []

    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        if lost:
            raise EngineLostError("its processes have ended")
        if prompt == [1]:  # not in the warm-up, which takes the first
            lost.append(raised)
            raise raised
        return Recording((1, 2), decode_ns=1)

    with pytest.raises(EngineLostError, match="have ended"):
        run_bench(bench(num_prompts=3, decode=decode), folder)
    kept = [trace.status for trace in Store.open(folder).traces()]
    assert kept == ["ok", "ok", "failed"][: 2 if isinstance(raised, EngineLostError) else 3]
    store = run_bench(bench(num_prompts=3), folder, resume=True)
    assert [trace.status for trace in store.traces()] == kept + ["ok"] * (6 - len(kept))


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
        if calls == 8:  # four to warm up, three that count
            raise KeyboardInterrupt
        return Recording((1, 2), decode_ns=7)

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
    warm_up = run_module.warm_up

    def while_another_finishes(mine: object) -> None:
        monkeypatch.setattr(run_module, "warm_up", warm_up)
        run_bench(prepared, folder, resume=True)

    monkeypatch.setattr(run_module, "warm_up", while_another_finishes)
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


class Noisy:
    """Decodes whose times differ from prompt to prompt until so many rounds are done."""

    def __init__(self, rounds: int) -> None:
        self.left = rounds * 6 * 2 + 4  # six prompts by two arms, after a warm-up of four

    def __call__(self, prompt: Sequence[int], room: int, seed: int) -> Recording:
        self.left -= 1
        return Recording((1,), decode_ns=100 + (self.left >= 0) * self.left * 7 % 50)


def precise(decode: Noisy, half_width: float = 0.04, budget_ns: int = 10**9) -> run_module.PreparedBench:
    return bench(num_prompts=6, decode=decode, goal=Goal(half_width=half_width, budget_ns=budget_ns))


def test_a_run_with_a_goal_repeats_whole_rounds_until_it_is_reached(folder: Path) -> None:
    watch = Watch()
    traces = list(run_bench(precise(Noisy(rounds=1)), folder, observer=watch).traces())
    repetitions = max(trace.repetition for trace in traces) + 1
    assert repetitions > 1
    assert len(traces) == 12 * repetitions
    assert watch.rounds == [(12 * (r + 1), r) for r in range(1, repetitions)]
    report = measure(Store.open(folder))
    assert report.complete
    assert report.precision is not None
    assert (report.precision.end, report.precision.repetitions) == ("reached", repetitions)


def test_a_run_with_a_goal_ends_with_its_budget(folder: Path) -> None:
    store = run_bench(precise(Noisy(rounds=99), half_width=1e-6, budget_ns=6000), folder)
    spent = sum(trace.decode_ns or 0 for trace in store.traces())
    assert 3000 < spent <= 6000
    report = measure(store)
    assert report.complete
    assert report.precision is not None
    assert report.precision.end == "budget"


def test_a_run_with_a_goal_is_finished_where_it_was_interrupted(folder: Path) -> None:
    """The second process does what is left of the round, and then as many rounds as are needed."""
    noisy = Noisy(rounds=1)

    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        if noisy.left == -5:  # in the second round
            raise KeyboardInterrupt
        return noisy(prompt, room, seed)

    with pytest.raises(KeyboardInterrupt):
        run_bench(replace(precise(noisy), arms=bench(decode=decode).arms), folder)
    before = list(Store.open(folder).traces())
    assert 12 < len(before) < 24
    assert not measure(Store.open(folder)).complete
    noisy.left = -100
    after = list(run_bench(precise(noisy), folder, resume=True).traces())
    assert after[: len(before)] == before
    assert len({trace.key for trace in after}) == len(after)
    assert measure(Store.open(folder)).complete


def test_a_goal_that_was_reached_is_not_worked_on_again(folder: Path) -> None:
    before = list(run_bench(precise(Noisy(rounds=0)), folder).traces())
    watch = Watch()
    assert list(run_bench(precise(Noisy(rounds=9)), folder, resume=True, observer=watch).traces()) == before
    assert watch.planned_tasks == (12, 12)


def test_each_process_that_decodes_leaves_its_view_of_the_machine(folder: Path) -> None:
    run_bench(bench(), folder)
    run_bench(bench(), folder, resume=True)  # nothing to do, nothing to tell
    assert [sample.moment for sample in Store.open(folder).samples()] == ["begin", "end"]


def test_the_warm_up_is_on_record_and_traces_say_when_they_began(folder: Path) -> None:
    store = run_bench(bench(), folder)
    warmed = store.manifest().warm_up
    assert warmed is not None
    assert (warmed.prompt_id, warmed.decode_ns, warmed.settled) == ("p0", (1, 1), True)
    started = [trace.started_ns or 0 for trace in store.traces()]
    assert started == sorted(started)
    assert started[0] > 0


def test_the_hash_of_a_run_stays_what_it_was_so_that_old_runs_can_be_finished() -> None:
    """Computed by draftlab 0.1.0."""
    assert fingerprint(bench()) == "7e7cc5e5863dba21"
