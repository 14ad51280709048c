"""`draftlab compare`, and `--fail-if` on every verb that has figures: toy runs that differ, and an A/A pair."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from draftlab.records import Trace
from draftlab.store import Store
from tests.cli.conftest import Command
from tests.unit.handmade import BASELINE, DRAFTED, manifest, prompt, trace

TOY = (
    "bench", "--target", "toy", "--drafter", "model:toy:0.3", "--max-new-tokens", "12", "--ignore-eos",
    "--suite", "code", "--suite", "prose", "--limit", "6",
)  # fmt: skip
NAMES = [f"p{i}" for i in range(6)]


@pytest.fixture
def bench(draftlab: Command) -> Command:
    """Benches the toy, with more settings."""
    return lambda *more: draftlab(*TOY, *more)


def handmade(name: str, arm_ns: int, *, hostile: str = "") -> None:
    """A run of six prompts, each decoded plainly in 8 ms and with drafts in `arm_ns`."""
    drafted = DRAFTED.model_copy(update={"drafter": f"ngram{hostile}"})
    facts = manifest(prompts=tuple(prompt(each) for each in NAMES), arms=(BASELINE, drafted))
    store = Store.create(Path(name), facts)
    traces: Sequence[Trace] = [
        made
        for each in NAMES
        for made in (
            trace(BASELINE, each, decode_ns=8_000_000),
            trace(drafted, each, decode_ns=arm_ns, drafted=[3, 0], accepted=[2, 0]),
        )
    ]
    with store.writer() as writer:
        for each in traces:
            writer.traces.append(each)


def test_two_runs_that_differ(draftlab: Command, bench: Command) -> None:
    """One drafted token a round against five: more tokens a pass, and fewer of the drafted ones are used."""
    assert bench("--gamma", "1", "--out", "one").status == bench("--gamma", "5", "--out", "five").status == 0
    result = draftlab("compare", "one", "five", "--json")
    assert (result.status, result.err) == (0, "")
    document = result.document
    assert (document["reference"]["run"], document["runs"][0]["run"]) == ("one", "five")
    assert [entry["category"] for entry in document["arms"]] == ["code", "prose", "all"]
    whole = document["arms"][-1]
    assert (whole["reference"]["gamma"], whole["arm"]["gamma"]) == (1, 5)
    assert whole["block_efficiency_difference"]["low"] > 0
    assert whole["draft_utilization_difference"]["high"] < 0
    assert whole["same_texts"] == whole["same_texts_compared"] == 12  # greedy and lossless, whatever gamma is
    shown = draftlab("compare", "one", "five")
    assert "drafter model:toy:0.3, gamma 5 (before 1), rule rejection" in shown.out
    assert [line.split()[0] for line in shown.out.splitlines() if " (12)" in line] == ["all", "all"]


def test_an_a_a_pair_differs_in_nothing_but_its_times(draftlab: Command, bench: Command) -> None:
    for name in ("first", "second"):
        bench("--gamma", "3", "--out", name)
    gate = ("acceptance_rate_difference != 0", "block_efficiency_difference.low != 0", "same_texts < 1")
    flags = [word for condition in gate for word in ("--fail-if", condition)]
    assert draftlab("compare", "first", "second", *flags).status == 0
    itself = draftlab("compare", "first", "first", "--json").document["arms"]
    assert {entry["verdict"] for entry in itself} == {"no difference seen"}
    assert itself[-1]["walltime_speedup_ratio"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_verdicts_in_words(draftlab: Command) -> None:
    for name, arm_ns in (("was", 4_000_000), ("fast", 2_000_000), ("slow", 6_000_000)):
        handmade(name, arm_ns)
    result = draftlab("compare", "was", "fast", "slow")
    rows = [line for line in result.out.splitlines() if "x " in line]
    assert [" ".join(row.split()) for row in rows] == [
        "all (6) 2.00x 4.00x 2.00 [2.00, 2.00] 2.00x 1.00x faster",
        "all (6) 2.00x 1.33x 0.67 [0.67, 0.67] 0.67x 1.00x slower",
    ]


@pytest.mark.parametrize("columns", ["80", "120"])
def test_the_tables_fit_into_80_columns(draftlab: Command, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    handmade("was", 4_000_000)
    handmade("now", 3_000_000)
    monkeypatch.setenv("COLUMNS", columns)
    rows = [line for line in draftlab("compare", "was", "now").out.splitlines() if "(6)" in line]
    assert len(rows) == 2
    assert all(len(row.rstrip()) <= 80 and "…" not in row for row in rows)


def test_what_cannot_be_compared_is_refused_with_every_reason(draftlab: Command, bench: Command) -> None:
    bench("--out", "greedy")
    bench("--out", "warm", "--temperature", "0.7", "--stop", "\x1b[31m")
    result = draftlab("compare", "greedy", "warm")
    assert (result.status, result.out) == (2, "")
    assert "cannot be compared with greedy: warm: temperature 0 against 0.7; stop strings none against" in result.error
    assert "--anyway" in result.error
    assert "\x1b" not in result.err
    anyway = draftlab("compare", "greedy", "warm", "--anyway")
    assert anyway.status == 0
    assert "compared anyway: temperature 0 against 0.7" in anyway.out
    assert "\x1b" not in anyway.out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["was"], "needs two runs"),
        (["was", "nowhere"], "nowhere is no run folder"),
        (["was", "now", "now"], "now is given twice"),
        (["was", "now", "--fail-if", "speed < 1"], "no metric is called 'speed'"),
        (["was", "now", "--fail-if", "mail:identical < 1"], "no category is called 'mail'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_told_in_one_line(draftlab: Command, arguments: list[str], what: str) -> None:
    handmade("was", 4_000_000)
    handmade("now", 4_000_000)
    result = draftlab("compare", "--json", *arguments)
    assert result.status == 2
    assert what in result.error


def test_a_name_in_a_run_cannot_drive_the_terminal(draftlab: Command) -> None:
    handmade("was", 4_000_000, hostile="\x1b[31m[bold]")
    handmade("now", 4_000_000, hostile="\x1b[2J")
    result = draftlab("compare", "was", "now", "--fail-if", "num_prompts > 0")
    assert result.status == 1
    assert "\x1b" not in result.out + result.err
    assert "ngram␛[2J (before ngram␛[31m[bold])" in result.out
    assert "ngram␛[2J" in result.err


def test_a_slower_run_ends_a_build(draftlab: Command) -> None:
    for name, arm_ns in (("was", 4_000_000), ("fast", 2_000_000), ("slow", 6_000_000)):
        handmade(name, arm_ns)
    gate = ("--fail-if", "walltime_speedup_ratio.high < 1")
    assert draftlab("compare", "was", "fast", *gate).status == 0
    result = draftlab("compare", "was", "fast", "slow", *gate, "--json")
    assert result.status == 1
    assert len(json.loads(result.out)["arms"]) == 2
    assert result.err == (
        "failed: walltime_speedup_ratio.high < 1: slow, ngram, gamma 5, rule rejection, all: 0.6667\n"
    )


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_a_report_passes_or_fails(draftlab: Command, form: tuple[str, ...]) -> None:
    handmade("run", 4_000_000)
    good = draftlab("report", "run", *form, "--fail-if", "walltime_speedup.low < 1.5", "--fail-if", "identical<1")
    assert (good.status, good.err) == (0, "")
    bad = draftlab("report", "run", *form, "--fail-if", "walltime_speedup.low < 2.5", "--fail-if", "num_failed > 0")
    assert (bad.status, bad.out) == (1, good.out)
    assert bad.err == "failed: walltime_speedup.low < 2.5: ngram, gamma 5, rule rejection, all: 2\n"


def test_a_report_refuses_what_is_no_condition(draftlab: Command) -> None:
    handmade("run", 4_000_000)
    result = draftlab("report", "run", "--fail-if", "identical.low < 1")
    assert (result.status, result.out) == (2, "")
    assert "identical has no interval" in result.error


def test_a_bench_passes_or_fails_and_keeps_its_run(draftlab: Command, bench: Command) -> None:
    good = bench("--out", "good", "--json", "--fail-if", "identical < 1", "--fail-if", "code:acceptance_rate < 0.01")
    assert good.status == 0
    bad = bench("--out", "bad", "--json", "--fail-if", "acceptance_rate.high < 1.1", "--fail-if", "num_failed > 0")
    assert bad.status == 1
    assert bad.document["complete"]
    (line,) = [line for line in bad.err.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: acceptance_rate.high < 1.1: model:toy:0.3, gamma 5, rule rejection, all: 0.")


def test_a_bench_reads_its_conditions_before_it_runs(draftlab: Command, bench: Command) -> None:
    result = bench("--out", "run", "--fail-if", "acceptance < 0.6")
    assert (result.status, result.out, result.err) == (2, "", result.error + "\n")
    assert "Did you mean 'acceptance_rate'?" in result.error
    assert not Path("run").exists()


def test_sampled_texts_cannot_be_identical_and_a_gate_that_asks_for_it_says_so(
    draftlab: Command, bench: Command
) -> None:
    result = bench("--out", "run", "--temperature", "1", "--fail-if", "identical < 1")
    assert result.status == 1
    assert "all: not defined (no texts were compared)" in result.err
