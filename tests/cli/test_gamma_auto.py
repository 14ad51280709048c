"""`--gamma auto` as a user meets it: an arm like any other, and a run that is finished by the costs it began with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from draftlab import workbench
from draftlab.records import Arm
from draftlab.spec import AUTO_GAMMA
from draftlab.store import Store
from tests.cli.conftest import Command

SMALL = ("--target", "toy", "--drafter", "model:toy:0.3", "--max-new-tokens", "24", "--ignore-eos")
CHEAP = tuple(1000 + 40 * num for num in range(AUTO_GAMMA + 1))


class Measured:
    """Stands for the measurement, which on a toy says nothing: each time a round is twice as dear."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, *arguments: object) -> tuple[int, ...]:
        self.times += 1
        return tuple(cost << (self.times - 1) for cost in CHEAP)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    stand_in = Measured()
    monkeypatch.setattr(workbench, "measure_costs", stand_in)
    return stand_in


def auto_arm(run: str = "run") -> Arm:
    (found,) = (arm for arm in Store.open(Path(run)).manifest().arms if arm.draft_length == "auto")
    return found


def without_times(run: str = "run") -> list[Any]:
    """What was decoded, in order."""
    return [(t.key, t.tokens, t.rounds) for t in Store.open(Path(run)).traces()]


def test_it_is_an_arm_like_any_other(draftlab: Command, mine: str) -> None:
    """With costs that are really measured, whatever they are."""
    result = draftlab("bench", *SMALL, "--suite", mine, "--gamma", "2", "--gamma", "auto", "--out", "run", "--json")
    assert result.status == 0, result.err
    assert "measuring what rounds cost" in result.err
    shown = [(a["gamma"], a["draft_length"]) for a in result.document["arms"] if a["category"] == "all"]
    assert shown == [(2, "fixed"), (AUTO_GAMMA, "auto")]
    assert all(arm["identical"] == arm["compared"] == arm["num_prompts"] for arm in result.document["arms"])
    arm = auto_arm()
    assert (arm.id, arm.gamma) == ("model:toy:0.3 gamma=auto", AUTO_GAMMA)
    assert arm.costs is not None
    assert len(arm.costs) == AUTO_GAMMA + 1
    assert f"drafter model:toy:0.3, gamma auto (at most {AUTO_GAMMA}), rule rejection" in draftlab("report", "run").out


def test_it_drafts_more_than_gamma_2_where_drafts_are_cheap_and_good(
    draftlab: Command, mine: str, measured: Measured
) -> None:
    draftlab("bench", *SMALL, "--suite", mine, "--drafter", "model:toy:0.1", "--gamma", "auto", "--out", "run")
    lengths = {n for t in Store.open(Path("run")).traces() for n in t.rounds.drafted}
    assert max(lengths) > 4
    assert len(lengths) > 3


def test_a_resumed_run_takes_its_costs_from_its_manifest(draftlab: Command, mine: str, measured: Measured) -> None:
    bench = ("bench", *SMALL, "--suite", mine, "--gamma", "auto", "--out", "run")
    assert draftlab(*bench).status == 0
    whole, costs = without_times(), auto_arm().costs
    lines = Path("run", "traces.jsonl").read_text().splitlines(keepends=True)
    Path("run", "traces.jsonl").write_text("".join(lines[:4]))
    for arguments in (bench, ("bench", "--out", "run")):
        result = draftlab(*arguments, "--resume")
        assert result.status == 0, result.err
        assert without_times() == whole
        assert auto_arm().costs == costs == CHEAP
    assert measured.times == 1


def test_a_run_with_a_fixed_length_is_not_resumed_with_auto(draftlab: Command, mine: str) -> None:
    bench = ("bench", *SMALL, "--suite", mine, "--out", "run", "--json")
    draftlab(*bench, "--gamma", str(AUTO_GAMMA))
    result = draftlab(*bench, "--gamma", "auto", "--resume")
    assert (result.status, result.out) == (2, "")
    assert f"was started with gammas = {AUTO_GAMMA}, not auto" in result.error


def test_auto_is_compared_with_auto_and_not_with_the_fixed_length_of_its_limit(
    draftlab: Command, mine: str, measured: Measured
) -> None:
    lengths = ("--gamma", "auto", "--gamma", str(AUTO_GAMMA))
    for run, gammas in (("a", lengths), ("b", lengths), ("c", ("--gamma", "auto"))):
        draftlab("bench", *SMALL, "--suite", mine, *gammas, "--out", run)
    document = draftlab("compare", "a", "b", "c", "--json").document
    pairs = [
        (entry["run"], entry["reference"]["draft_length"], entry["arm"]["draft_length"])
        for entry in document["arms"]
        if entry["category"] == "all"
    ]
    assert pairs == [("b", "auto", "auto"), ("b", "fixed", "fixed"), ("c", "auto", "auto")]
    assert f"model:toy:0.3 gamma {AUTO_GAMMA} rejection" in document["runs"][1]["notes"][-1]


def test_generate_takes_it_as_well(draftlab: Command) -> None:
    generate = ("generate", *SMALL, "--prompt", "abcabc", "--json")
    auto, fixed = draftlab(*generate, "--gamma", "auto"), draftlab(*generate, "--gamma", "3")
    assert (auto.status, fixed.status) == (0, 0), auto.err
    assert auto.document["text"] == fixed.document["text"]


def test_generate_refuses_what_is_neither_a_number_nor_auto(draftlab: Command) -> None:
    result = draftlab("generate", *SMALL, "--prompt", "abc", "--gamma", "often")
    assert (result.status, result.out) == (2, "")
    assert "--gamma cannot be often" in result.error
    assert "auto" in result.error


def test_a_spec_may_say_auto(draftlab: Command, mine: str) -> None:
    Path("spec.toml").write_text(f'target = "toy"\nsuites = ["{mine}"]\ngammas = ["auto"]\nmax_new_tokens = 4\n')
    assert draftlab("bench", "spec.toml", "--out", "run", "--json").status == 0
    assert json.loads(Path("run", "manifest.json").read_text())["experiment"]["gammas"] == ["auto"]


@pytest.mark.parametrize(("gammas", "rows"), [(("auto",), AUTO_GAMMA + 1), (("auto", "20"), 21), (("3",), 4)])
def test_the_exact_mode_has_room_for_the_longest_draft(
    draftlab: Command, mine: str, monkeypatch: pytest.MonkeyPatch, gammas: tuple[str, ...], rows: int
) -> None:
    load, asked = workbench.load_model, []

    def listening(*arguments: Any, fixed_rows: int | None = None, **options: Any) -> Any:
        asked.append(fixed_rows)
        return load(*arguments, **options)

    monkeypatch.setattr(workbench, "load_model", listening)
    flags = [word for gamma in gammas for word in ("--gamma", gamma)]
    assert draftlab("bench", "--target", "toy", "--suite", mine, "--exact", *flags, "--out", "run").status == 0
    assert asked == [rows]
