"""What a machine adds to a time: the rule for "within noise", the drift, and what others did, on known numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.records import MachineSample, RunManifest, Trace
from draftlab.report.noise import drift, is_within_noise, machine_load, noise_floor
from draftlab.report.reading import Run
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, CLOSING, CONTROL, DRAFTED, manifest, prompt, trace

PROMPTS = tuple(prompt(f"p{i}") for i in range(6))
FLOOR = Estimate(1.0, 0.96, 1.02)


def run_of(folder: Path, traces: list[Trace], facts: RunManifest) -> Run:
    store = Store.create(folder / "run", facts)
    with store.writer() as writer:
        for each in traces:
            writer.traces.append(each)
    return Run.read(store)


@pytest.mark.parametrize(
    ("speedup", "floor", "expected"),
    [
        (Estimate(1.5, 1.4, 1.6), FLOOR, False),
        (Estimate(0.7, 0.6, 0.8), FLOOR, False),
        (Estimate(1.05, 0.99, 1.1), FLOOR, True),  # its interval contains 1
        (Estimate(1.01, 1.005, 1.015), FLOOR, True),  # certain, and no more than the baseline differs from itself
        (Estimate(1.03, 1.02, 1.04), FLOOR, True),  # the floor reaches 4 % down, so it may reach 4 % up
        (Estimate(1.05, 1.04, 1.06), FLOOR, False),
        (Estimate(0.97, 0.965, 0.975), FLOOR, True),
        (Estimate(1.02, 1.01, 1.03), Estimate(1.04, 1.03, 1.05), True),  # a floor off 1 reaches from 1 to its end
        (Estimate(1.02, 1.01, 1.03), None, False),  # without a floor the interval decides
        (Estimate(1.02, 0.99, 1.03), None, True),
        (Estimate(1.02, 1.01, 1.03), Estimate(1.3), False),  # a floor without an interval says nothing
        (Estimate(1.02), FLOOR, None),
        (Estimate(None), FLOOR, None),
    ],
)
def test_a_speedup_is_told_from_noise_by_both_intervals(
    speedup: Estimate, floor: Estimate | None, expected: bool | None
) -> None:
    assert is_within_noise(speedup, floor) is expected


def test_the_noise_floor_is_the_speedup_of_the_baseline_over_itself(tmp_path: Path) -> None:
    traces = [trace(arm, p.id, decode_ns=ns) for p in PROMPTS for arm, ns in ((BASELINE, 103), (CONTROL, 100))]
    found = noise_floor(run_of(tmp_path, traces, manifest(arms=(BASELINE, DRAFTED, CONTROL), prompts=PROMPTS)))
    assert found == Estimate(pytest.approx(1.03), pytest.approx(1.03), pytest.approx(1.03))


def test_without_a_second_baseline_there_is_no_noise_floor_and_no_drift(tmp_path: Path) -> None:
    run = run_of(tmp_path, [trace(BASELINE, "p0")], manifest(prompts=PROMPTS))
    assert noise_floor(run) is None
    assert drift(run) is None


def test_the_drift_of_one_repetition_is_that_of_the_closing_decodes(tmp_path: Path) -> None:
    facts = manifest(arms=(BASELINE, DRAFTED, CLOSING), prompts=PROMPTS)
    traces = [trace(arm, p.id, decode_ns=ns) for arm, ns in ((BASELINE, 90), (CLOSING, 100)) for p in PROMPTS]
    assert drift(run_of(tmp_path, traces, facts)) == Estimate(*[pytest.approx(0.9)] * 3)


@pytest.mark.parametrize(
    ("times", "expected"), [((90, 100), 0.9), ((90, 7, 100), 0.9), ((80, 100, 1, 1, 180, 180), 1 / 2)]
)
def test_the_drift_of_several_is_that_of_the_last_third_against_the_first(
    tmp_path: Path, times: tuple[int, ...], expected: float
) -> None:
    facts = manifest(prompts=PROMPTS, repetitions=len(times))
    traces = [trace(BASELINE, p.id, decode_ns=ns, repetition=r) for r, ns in enumerate(times) for p in PROMPTS]
    found = drift(run_of(tmp_path, traces, facts))
    assert found is not None
    assert found.value == pytest.approx(expected)


S = 10**9


def sample(moment: str, busy: int, idle: int, own: int, **more: int) -> MachineSample:
    facts = {"moment": moment, "time_ns": 0, "busy_ns": busy * S, "idle_ns": idle * S, "own_ns": own * S}
    return MachineSample.model_validate(facts | more)


def test_what_others_used_is_all_but_the_own_time() -> None:
    found = machine_load([sample("begin", 100, 50, 3), sample("end", 110, 60, 7)])
    assert found is not None
    assert found.others_share == pytest.approx((10 - 4) / 20)
    assert (found.swapped_bytes, found.throttled) == (None, None)


def test_counters_are_added_over_processes_and_one_that_was_killed_does_not_count() -> None:
    begin = sample("begin", 0, 0, 0, swapped_in_bytes=1, swapped_out_bytes=2, throttled=5)
    end = sample("end", 2, 8, 1, swapped_in_bytes=4, swapped_out_bytes=6, throttled=6)
    killed = sample("begin", 900, 900, 900, swapped_in_bytes=0, swapped_out_bytes=0, throttled=0)
    found = machine_load([begin, end, killed, begin, end])
    assert found is not None
    assert found.others_share == pytest.approx(0.1)
    assert (found.swapped_bytes, found.throttled) == (14, 2)


def test_a_moment_says_nothing_of_the_load() -> None:
    found = machine_load([sample("begin", 5, 5, 5), sample("end", 5, 5, 5)])
    assert found is not None
    assert found.others_share is None


@pytest.mark.parametrize("samples", [[], [sample("begin", 1, 1, 1)]])
def test_without_an_end_nothing_is_known(samples: list[MachineSample]) -> None:
    assert machine_load(samples) is None
