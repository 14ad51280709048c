"""`draftlab bench` and `draftlab report` on the toy: what is printed where, and what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.store import Store
from tests.cli.conftest import Command

SMALL = ("--target", "toy", "--max-new-tokens", "6", "--ignore-eos")


def test_json_is_one_document_and_news_goes_to_standard_error(draftlab: Command, mine: str) -> None:
    result = draftlab("bench", *SMALL, "--suite", mine, "--gamma", "2", "--gamma", "4", "--out", "run", "--json")
    assert result.status == 0
    document = result.document
    assert document["schema"] == 3
    assert (document["run"], document["target"], document["complete"]) == ("run", "toy", True)
    shown = [(arm["drafter"], arm["gamma"], arm["category"], arm["num_prompts"]) for arm in document["arms"]]
    assert shown == [("ngram", g, c, n) for g in (2, 4) for c, n in (("code", 2), ("prose", 1), ("all", 3))]
    for arm in document["arms"]:
        assert arm["identical"] == arm["compared"] == arm["num_prompts"]  # greedy, in double precision
    assert "decodes" in result.err


def test_a_run_keeps_every_decode_and_report_says_the_same_again(draftlab: Command, mine: str) -> None:
    ran = draftlab("bench", *SMALL, "--suite", mine, "--repetitions", "2", "--out", "run", "--json")
    traces = list(Store.open(Path("run")).traces())
    assert len(traces) == 3 * 3 * 2
    assert all(len(trace.tokens) == 6 for trace in traces)
    assert draftlab("report", "run", "--json").document == ran.document


def test_the_table_has_a_row_for_each_category_and_says_where_the_run_is(draftlab: Command, mine: str) -> None:
    ran = draftlab("bench", *SMALL, "--suite", mine, "--out", "run")
    assert ran.status == 0
    speeds = [line.split()[0] for line in ran.out.splitlines() if "x " in line]
    assert speeds[:4] == ["code", "prose", "all", "predicted"]
    assert "drafter ngram, gamma 5, rule rejection" in ran.out
    assert "draftlab report run" in ran.err
    again = draftlab("report", "run")
    assert (again.status, again.out, again.err) == (0, ran.out, "")


def test_a_run_without_a_folder_gets_one_below_runs(draftlab: Command, mine: str) -> None:
    folder = Path(draftlab("bench", *SMALL, "--suite", mine, "--json").document["run"])
    assert folder.parent == Path("runs")
    listed = draftlab("ls", "runs")
    assert listed.status == 0
    assert str(folder) in listed.out
    assert "9 traces" in listed.out


def test_a_model_can_draft(draftlab: Command, mine: str) -> None:
    result = draftlab("bench", *SMALL, "--suite", mine, "-d", "model:toy:0.1", "-d", "ngram,max_ngram=2", "--json")
    rates = {arm["drafter"]: arm["acceptance_rate"]["value"] for arm in result.document["arms"]}
    assert list(rates) == ["model:toy:0.1", "ngram,max_ngram=2"]
    assert rates["model:toy:0.1"] > 0.3


def test_a_prompts_own_length_is_used_unless_one_is_given(draftlab: Command) -> None:
    draftlab("bench", "--target", "toy", "--ignore-eos", "--suite", "notebook", "--out", "own", "--json")
    assert {len(trace.tokens) for trace in Store.open(Path("own")).traces()} == {20, 100}
    draftlab("bench", *SMALL, "--suite", "notebook", "--out", "given", "--json")
    assert {len(trace.tokens) for trace in Store.open(Path("given")).traces()} == {6}


def test_flags_come_before_the_spec_and_the_spec_before_defaults(draftlab: Command, mine: str) -> None:
    Path("spec.toml").write_text(f'target = "toy"\nsuites = ["{mine}"]\ngammas = [2]\nmax_new_tokens = 4\nseed = 11\n')
    result = draftlab("bench", "spec.toml", "--gamma", "3", "--seed", "0", "--out", "run", "--json")
    assert {arm["gamma"] for arm in result.document["arms"]} == {3}
    manifest = Store.open(Path("run")).manifest()
    assert manifest.seed == 0
    assert {prompt.max_new_tokens for prompt in manifest.prompts} == {4}
    assert manifest.arms[1].drafter == "ngram"


def test_what_was_asked_and_what_was_resolved_are_kept_apart(draftlab: Command, mine: str) -> None:
    draftlab("bench", *SMALL, "--suite", mine, "--temperature", "0.5", "--out", "run", "--json")
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["experiment"] == {
        "target": "toy", "suites": [mine], "max_new_tokens": 6, "temperature": 0.5, "ignore_eos": True,
    }  # fmt: skip
    assert manifest["sampling"]["temperature"] == 0.5
    assert manifest["sampling"]["top_p"] == 1.0
    assert manifest["stop_tokens"] == []
    assert manifest["command"][:2] == ["draftlab", "bench"]


@pytest.mark.parametrize("temperature", ["0", "0.8"])
def test_the_same_seed_gives_the_same_texts(draftlab: Command, mine: str, temperature: str) -> None:
    texts = []
    for out in ("first", "second"):
        draftlab("bench", *SMALL, "--suite", mine, "--temperature", temperature, "--seed", "5", "--out", out, "--json")
        texts.append([trace.tokens for trace in Store.open(Path(out)).traces()])
    assert texts[0] == texts[1]


def test_a_suite_can_be_cut_short(draftlab: Command) -> None:
    result = draftlab("bench", *SMALL, "--limit", "2", "--json")
    assert [(arm["category"], arm["num_prompts"]) for arm in result.document["arms"]] == [
        ("code", 2), ("prose", 2), ("all", 4),
    ]  # fmt: skip


def test_the_noise_is_measured_unless_it_is_not_wanted(draftlab: Command) -> None:
    ran = draftlab("bench", *SMALL, "--suite", "code", "--limit", "6", "--out", "with")
    assert "noise floor: the baseline against itself " in ran.out
    document = draftlab("report", "with", "--json").document
    for name in ("noise_floor", "drift"):
        assert 0 < document[name]["low"] <= document[name]["high"]
    roles = [arm.role for arm in Store.open(Path("with")).manifest().arms]
    assert roles == ["baseline", "drafted", "control", "closing"]
    bare = draftlab("bench", *SMALL, "--suite", "code", "--limit", "6", "--no-control", "--out", "without", "--json")
    assert (bare.document["noise_floor"], bare.document["drift"]) == (None, None)
    assert [arm.role for arm in Store.open(Path("without")).manifest().arms] == ["baseline", "drafted"]


def test_a_spec_can_do_without_the_second_baseline(draftlab: Command, mine: str) -> None:
    Path("spec.toml").write_text(f'target = "toy"\nsuites = ["{mine}"]\ncontrol = false\n')
    draftlab("bench", "spec.toml", "--out", "run", "--json")
    assert len(Store.open(Path("run")).manifest().arms) == 2


def test_where_nothing_drafts_nothing_is_compared_and_the_baseline_runs_once(draftlab: Command, mine: str) -> None:
    draftlab("bench", *SMALL, "--suite", mine, "--drafter", "none", "--out", "run", "--json")
    assert [arm.role for arm in Store.open(Path("run")).manifest().arms] == ["baseline"]


def test_repetitions_show_the_drift_without_decodes_of_their_own(draftlab: Command) -> None:
    result = draftlab(
        "bench", *SMALL, "--suite", "code", "--limit", "6", "--repetitions", "2", "--out", "run", "--json"
    )
    assert result.document["drift"]["low"] is not None
    assert {arm.role for arm in Store.open(Path("run")).manifest().arms} == {"baseline", "drafted", "control"}


def test_a_precision_is_asked_for_and_what_was_reached_is_told(draftlab: Command) -> None:
    precise = ("--suite", "code", "--limit", "6", "--until", "0.1%", "--budget", "0.002")
    result = draftlab("bench", *SMALL, *precise, "--out", "run", "--json")
    found = result.document["precision"]
    assert (found["until"], found["end"], result.document["complete"]) == (0.001, "budget", True)
    assert len(list(Store.open(Path("run")).traces())) == found["repetitions"] * 6 * 3
    again = draftlab("bench", "--resume", "--out", "run")
    assert f"repetitions: {found['repetitions']}; not reached in the minutes given" in " ".join(again.out.split())
