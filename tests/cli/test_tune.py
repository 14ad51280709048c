"""`draftlab tune` on toys: what it ranks, what it runs, what it keeps, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.store import Store
from tests.cli.conftest import Command

KEYS = {
    "schema", "target", "dtype", "sampling", "rule", "num_prompts", "num_tokens", "max_gamma", "drafters", "candidates",
    "recommendation", "runner_up", "confirmation", "notes", "seconds",
}  # fmt: skip
TOYS = ("tune", "--target", "toy", "-d", "ngram", "-d", "model:toy:0.3", "--max-gamma", "4", "--budget", "0.1")
SHORT = (*TOYS, "--max-new-tokens", "24", "--limit", "5")


@pytest.mark.parametrize("sampled", [(), ("--temperature", "0.8"), ("--temperature", "0.8", "--rule", "coupled")])
def test_everything_is_ranked_and_the_best_is_run(draftlab: Command, sampled: tuple[str, ...]) -> None:
    result = draftlab(*SHORT, *sampled, "--out", "run", "--json")
    assert result.status == 0, result.err
    found = result.document
    assert set(found) == KEYS
    assert found["num_prompts"] == 7  # of ten; every third confirms
    assert len(found["candidates"]) == 4 + 11 * 4
    speedups = [c["predicted_speedup"]["value"] for c in found["candidates"]]
    assert speedups == sorted(speedups, reverse=True)
    assert all(len(d["round_ms"]) == 5 for d in found["drafters"])
    confirmed = found["confirmation"]
    assert confirmed["num_prompts"] == 3 and confirmed["same_prompts"] == 0
    for arm in confirmed["arms"]:
        assert arm["error"] == pytest.approx(arm["predicted_speedup"]["value"] / arm["walltime_speedup"]["value"] - 1)
        if not sampled or "coupled" in sampled:
            assert arm["predicted_block_efficiency"] == pytest.approx(arm["block_efficiency"], abs=1e-12)
    assert confirmed["holds"] is None  # three prompts have no interval
    if found["recommendation"] is not None:
        arms = [(arm["drafter"], arm["gamma"]) for arm in confirmed["arms"]]
        assert arms[0] == (found["recommendation"]["drafter"], found["recommendation"]["gamma"])


def test_what_was_replayed_is_kept_with_the_run(draftlab: Command) -> None:
    assert draftlab(*SHORT, "--out", "run").status == 0
    store = Store.open(Path("run"))
    found = list(store.replays())
    assert {(r.drafter, r.policy) for r in found} >= {("ngram", "fixed"), ("model:toy:0.3", "stop_product=0.2")}
    assert {r.prompt_id for r in found} == {prompt.id for prompt in store.manifest().prompts}
    assert len({r.key for r in found}) == len(found)
    assert all(len(r.rounds) == 5 and r.rounds[0] == r.tokens for r in found)
    assert draftlab("report", "run").status == 0


def test_the_replays_of_a_run_that_was_measured_are_its_own_rounds(draftlab: Command) -> None:
    flags = ("--target", "toy", "--limit", "4", "--max-new-tokens", "24", "--no-control", "--phases", "0")
    drafters = ("-d", "ngram", "-d", "model:toy:0.3", "--gamma", "1", "--gamma", "3")
    assert draftlab("bench", *flags, *drafters, "--out", "measured").status == 0
    result = draftlab("tune", "--from", "measured", "--max-gamma", "3", "--budget", "0.1", "--out", "run")
    assert result.status == 0, result.err
    store = Store.open(Path("measured"))
    replayed = {(r.drafter, r.prompt_id): r for r in store.replays() if r.policy == "fixed"}
    arms = {arm.id: arm for arm in store.manifest().arms if arm.role == "drafted"}
    compared = 0
    for trace in store.traces():
        if arm := arms.get(trace.arm):
            record = replayed[arm.drafter, trace.prompt_id]
            assert record.rounds[arm.gamma] == len(trace.rounds.drafted)
            assert record.accepted[arm.gamma] == sum(trace.rounds.accepted)
            assert record.drafted[arm.gamma] == sum(trace.rounds.drafted)
            compared += 1
    assert compared == 4 * 8
    again = draftlab("tune", "--from", "measured", "--max-gamma", "3", "--budget", "0.1", "--no-confirm", "--json")
    assert again.document["confirmation"] is None
    assert len(list(store.replays())) == len({r.key for r in store.replays()}), "nothing is kept twice"
    draftlab("tune", "--from", "measured", "--max-gamma", "5", "--budget", "0.1", "--no-confirm")
    last = {r.key: r for r in store.replays()}
    assert {len(r.rounds) for r in last.values()} <= {4, 6}
    assert sum(len(r.rounds) == 6 for r in last.values()) > len(last) // 2, "more gammas stand behind fewer"


def test_a_run_that_another_process_writes_to_is_tuned_on_all_the_same(draftlab: Command) -> None:
    flags = ("--target", "toy", "--limit", "2", "--max-new-tokens", "16", "--no-control", "--phases", "0")
    assert draftlab("bench", *flags, "--out", "measured").status == 0
    with Store.open(Path("measured")).writer():
        result = draftlab("tune", "--from", "measured", "--max-gamma", "2", "--budget", "0.1", "--no-confirm", "--json")
    assert result.status == 0, result.err
    assert any("not kept with measured" in note for note in result.document["notes"])


@pytest.mark.parametrize(("failure", "status"), [(DraftlabError("the disk is full"), 2), (KeyboardInterrupt(), 130)])
def test_what_was_found_is_told_though_it_cannot_be_confirmed(
    draftlab: Command, monkeypatch: pytest.MonkeyPatch, failure: BaseException, status: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr("draftlab.tune.run.run_bench", fail)
    result = draftlab(*SHORT, "--json")
    assert result.status == status
    assert result.document["candidates"] and result.document["confirmation"] is None


def test_confirming_suites_of_a_run_are_limited_too(draftlab: Command) -> None:
    flags = ("--target", "toy", "--limit", "2", "--max-new-tokens", "8", "--no-control", "--phases", "0")
    assert draftlab("bench", *flags, "--out", "measured").status == 0
    few = ("--max-gamma", "1", "--budget", "0.1", "--confirm", "prose", "--json")
    assert draftlab("tune", "--from", "measured", *few).document["confirmation"]["num_prompts"] == 12


def test_the_same_prompts_are_warned_of(draftlab: Command, mine: str) -> None:
    result = draftlab(*TOYS, "--suite", mine, "--max-new-tokens", "16", "--confirm", mine)
    assert result.status == 0, result.err
    flat = " ".join(result.out.split())
    assert "3 of 3 confirming prompts were tuned on as well" in flat
    assert "this is a guess" in flat


def test_a_page_for_people(draftlab: Command) -> None:
    result = draftlab(*SHORT)
    flat = " ".join(result.out.split())
    for words in ("drafter ngram", "drafter model:toy:0.3", "stop_product", "recommendation: ", "predicted measured"):
        assert words in flat
    assert "3 prompts that were not tuned on" in flat


def test_a_policy_that_is_named_is_the_only_one(draftlab: Command) -> None:
    arguments = ("-d", "model:toy:0.3,stop_product=0.3", "--max-gamma", "3", "--budget", "0.1", "--no-confirm")
    found = draftlab("tune", "--target", "toy", *arguments, "--limit", "2", "--json").document
    assert {c["policy"] for c in found["candidates"]} == {"stop_product=0.3"}
    assert {c["drafter"] for c in found["candidates"]} == {"model:toy:0.3,stop_product=0.3"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--drafter", "none"), "nothing to tune"),
        (("--rule", "typical"), "does not keep the target's texts"),
        (("--max-gamma", "0"), "--max-gamma cannot be 0"),
        (("--budget", "-1"), "--budget cannot be -1"),
        (("--no-confirm", "--out", "x"), "--no-confirm runs nothing"),
        (("--from", "nowhere"), "--target asks for others"),
        (("--drafter", "model:toy:0.3,stop_product=7"), "stop_product cannot be 7"),
    ],
)
def test_refusals(draftlab: Command, arguments: tuple[str, ...], complaint: str) -> None:
    result = draftlab("tune", "--target", "toy", *arguments)
    assert result.status == 2
    assert complaint in result.error


def test_exact_mode_is_refused(draftlab: Command, tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text('target = "toy"\nexact = true\n')
    result = draftlab("tune", "spec.toml")
    assert result.status == 2
    assert "lengths cannot be ranked together" in result.error


def test_a_run_that_is_none(draftlab: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = draftlab("tune", "--from", "empty")
    assert result.status == 2
    assert "is no run folder" in result.error


def test_the_confirming_run_holds_what_was_run(draftlab: Command) -> None:
    assert draftlab(*SHORT, "--out", "run").status == 0
    manifest = json.loads(Path("run/manifest.json").read_text())
    drafted = [arm for arm in manifest["arms"] if arm["role"] == "drafted"]
    assert manifest["experiment"]["drafters"] == [arm["drafter"] for arm in drafted]
    assert 1 <= len(drafted) <= 2
