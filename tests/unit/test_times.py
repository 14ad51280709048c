"""What one waits for, and which arm is the fastest, on numbers that are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.pairs import Pairs
from draftlab.records import Arm, Trace
from draftlab.report.reading import Run
from draftlab.report.times import measure_times, win_probabilities
from tests.unit.handmade import BASELINE, DRAFTED, manifest, prompt, trace

OTHER = Arm(id="ngram gamma=9", role="drafted", drafter="ngram", gamma=9, rule="rejection")


def timed(arm: Arm, name: str, prefill: int, first: int, decode: int) -> Trace:
    return trace(arm, name, prefill_ns=prefill, decode_ns=decode).model_copy(update={"first_ns": first})


def test_the_first_token_comes_after_prefill_and_the_first_round() -> None:
    base = [timed(BASELINE, "a", 300_000_000, 100_000_000, 400_000_000)]
    arm = [timed(DRAFTED, "a", 350_000_000, 150_000_000, 200_000_000)]
    found = measure_times(Pairs.match(base, arm))
    assert found["ttft_s"].value == pytest.approx(0.5)
    assert found["baseline_ttft_s"].value == pytest.approx(0.4)
    assert found["tpot_s"].value == pytest.approx(0.05)  # four tokens
    assert found["baseline_tpot_s"].value == pytest.approx(0.1)


def test_older_runs_do_not_know_their_first_round() -> None:
    found = measure_times(Pairs.match([trace(BASELINE, "a")], [trace(DRAFTED, "a")]))
    assert found["ttft_s"].value is None
    assert found["tpot_s"].value is not None


def run(times: dict[str, list[int]], num_prompts: int = 8) -> Run:
    arms = (BASELINE, DRAFTED, OTHER)
    names = [f"p{i}" for i in range(num_prompts)]
    traces = [trace(arm, name, decode_ns=times[arm.id][i]) for arm in arms for i, name in enumerate(names)]
    made = manifest(arms=arms, prompts=tuple(prompt(name) for name in names))
    return Run(str(Path("run")), made, traces, {}, [], [], [], {}, [])


def test_an_arm_that_is_faster_on_every_prompt_wins_every_resample() -> None:
    found = win_probabilities(run({"none": [9] * 8, DRAFTED.id: [5] * 8, OTHER.id: [7] * 8}), "all")
    assert found == {DRAFTED.id: 1.0, OTHER.id: 0.0}


def test_arms_that_win_on_half_of_the_prompts_each_share_the_resamples() -> None:
    found = win_probabilities(run({"none": [9] * 8, DRAFTED.id: [5, 7] * 4, OTHER.id: [7, 5] * 4}), "all")
    assert found[DRAFTED.id] + found[OTHER.id] == pytest.approx(1.0)
    assert 0.3 < found[OTHER.id] < 0.7


def test_plain_decoding_may_win() -> None:
    found = win_probabilities(run({"none": [4] * 8, DRAFTED.id: [5] * 8, OTHER.id: [7] * 8}), "all")
    assert found == {DRAFTED.id: 0.0, OTHER.id: 0.0}


def test_few_prompts_tell_nothing() -> None:
    assert win_probabilities(run({"none": [9] * 5, DRAFTED.id: [5] * 5, OTHER.id: [7] * 5}, num_prompts=5), "all") == {}
