"""Decodes that are watched after the timed ones: all of them, once, and again after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from draftlab.bench.plan import PreparedBench
from draftlab.bench.run import Observer, run_bench
from draftlab.errors import EngineLostError
from draftlab.events import Committed, Drafted, Event, Finished, Prefilled, Scored, Started
from draftlab.report.measure import measure
from draftlab.report.reading import Run
from draftlab.types import Draft, Round
from tests.unit.handmade import BASELINE, CONTROL, DRAFTED, bench

Events = Callable[[Sequence[int], int, int], Iterator[Event]]


def events(prompt: Sequence[int], room: int, seed: int) -> Iterator[Event]:
    yield Started(prompt)
    yield Prefilled()
    for _ in range(2):
        yield Drafted(Draft([7, 8]))
        yield Scored([], None)  # type: ignore[arg-type]
        yield Committed(Round(2, 1, (7, 9)))
    yield Finished("length")


def watched(events: Events, num_prompts: int = 3) -> PreparedBench:
    """A bench of three arms; the phases of all prompts are wanted, of the baseline and of the drafted arm."""
    plain = bench([BASELINE, DRAFTED, CONTROL], num_prompts=num_prompts)
    ids = [p.record.id for p in plain.prompts]
    return replace(plain, arms=[replace(arm, events=events) for arm in plain.arms], phase_prompts=ids)


class Count(Observer):
    def __init__(self) -> None:
        self.announced = self.done = 0

    def watches(self, num_tasks: int) -> None:
        self.announced = num_tasks

    def watched(self) -> None:
        self.done += 1


def test_the_baseline_and_every_drafted_arm_are_watched_and_the_control_is_not(tmp_path: Path) -> None:
    count = Count()
    phases = list(run_bench(watched(events), tmp_path / "run", observer=count).phases())
    assert [p.key for p in phases] == [(arm, f"p{i}") for i in range(3) for arm in ("none", "ngram gamma=5")]
    assert count.announced == count.done == 6
    assert all(p.rounds.drafted == (2, 2) and p.rounds.emitted == (2, 2) and p.prompt_tokens == 1 for p in phases)
    assert all(len(column) == 2 for p in phases for column in (p.draft_ns, p.target_ns, p.rest_ns))


def test_where_what_decodes_is_lost_nothing_counts_as_watched(tmp_path: Path) -> None:
    def lost(prompt: Sequence[int], room: int, seed: int) -> Iterator[Event]:
        raise EngineLostError("its processes have ended")
        yield

    with pytest.raises(EngineLostError, match="have ended"):
        run_bench(watched(lost), tmp_path / "run")
    assert len(list(run_bench(watched(events), tmp_path / "run", resume=True).phases())) == 6


def test_an_interrupted_run_is_incomplete_until_it_is_resumed_and_nothing_is_watched_twice(tmp_path: Path) -> None:
    calls = 0

    def interrupted(prompt: Sequence[int], room: int, seed: int) -> Iterator[Event]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        yield from events(prompt, room, seed)

    with pytest.raises(KeyboardInterrupt):
        run_bench(watched(interrupted), tmp_path / "run")
    from draftlab.store import Store

    store = Store.open(tmp_path / "run")
    assert len(list(store.phases())) == 3
    assert not measure(store).complete
    count = Count()
    run_bench(watched(events), tmp_path / "run", resume=True, observer=count)
    assert count.done == 3
    assert len({p.key for p in store.phases()}) == len(list(store.phases())) == 6
    assert measure(store).complete


def test_a_watched_decode_that_fails_leaves_its_error_and_the_run_goes_on(tmp_path: Path) -> None:
    def failing(prompt: Sequence[int], room: int, seed: int) -> Iterator[Event]:
        if prompt == [1]:
            raise ArithmeticError("no")
        yield from events(prompt, room, seed)

    store = run_bench(watched(failing), tmp_path / "run")
    found = {p.key: p.error for p in store.phases()}
    assert found["none", "p1"] == found["ngram gamma=5", "p1"] == "ArithmeticError: no"
    assert found["none", "p0"] is None
    assert Run.read(store).is_watched
