"""`draftlab export` on a run of the toy: what is printed where, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.export.exporters import EXPORTERS
from tests.cli.conftest import Command

KEYS = {
    "schema", "run", "engine", "version", "arm", "drafter", "gamma", "walltime_speedup", "why", "language", "before",
    "text", "notes",
}  # fmt: skip


@pytest.fixture
def run(draftlab: Command, mine: str) -> str:
    """Three prompts are too few for an interval: nothing is known to pay."""
    settings = ("--target", "toy", "--max-new-tokens", "6", "--ignore-eos", "--suite", mine, "--no-control")
    arms = ("-d", "ngram,max_ngram=2", "-d", "model:toy:0.1", "--gamma", "2", "--gamma", "auto")
    assert draftlab("bench", *settings, *arms, "--out", "run").status == 0
    return "run"


@pytest.mark.parametrize("engine", EXPORTERS)
def test_plain_serving_where_nothing_is_known_to_pay(draftlab: Command, run: str, engine: str) -> None:
    result = draftlab("export", run, "--to", engine)
    assert (result.status, result.err) == (0, "")
    assert "plain serving: no interval below 6 prompts" in result.out
    said = "\n".join(line for line in result.out.splitlines() if not line.startswith("# "))
    assert said and not [word for word in ("--spec", "speculative", "assistant_model", "prompt_lookup") if word in said]


@pytest.mark.parametrize("engine", EXPORTERS)
def test_a_named_arm(draftlab: Command, run: str, engine: str) -> None:
    arm = "model:toy:0.1 gamma=2"
    document = draftlab("export", run, "--to", engine, "--arm", arm, "--json").document
    assert document.keys() == KEYS
    assert (document["arm"], document["drafter"], document["gamma"]) == (arm, "model:toy:0.1", 2)
    assert document["version"] and document["why"].startswith("as asked for with --arm")
    assert any("toy models are draftlab's own" in note for note in document["notes"])
    shown = draftlab("export", run, "--to", engine, "--arm", arm).out
    assert shown.endswith(document["text"] + "\n")
    assert all(line.startswith("# ") for line in shown.removesuffix(document["text"] + "\n").splitlines())


def test_lengths_that_adapt_become_one(draftlab: Command, run: str) -> None:
    document = draftlab("export", run, "--to", "vllm", "--arm", "ngram,max_ngram=2 gamma=auto", "--json").document
    assert 1 <= document["gamma"] <= 16
    assert f'"num_speculative_tokens":{document["gamma"]}' in document["text"]
    assert '"prompt_lookup_min":1,"prompt_lookup_max":2' in document["text"]
    assert any("--gamma auto" in note for note in document["notes"])


@pytest.mark.parametrize(("engine", "all_of_it"), [("vllm", False), ("sglang", True), ("llama.cpp", True)])
def test_what_requests_have_to_set(draftlab: Command, run: str, engine: str, all_of_it: bool) -> None:
    """vLLM is told to have neutral defaults."""
    notes = draftlab("export", run, "--to", engine, "--arm", "model:toy:0.1 gamma=2", "--json").document["notes"]
    (said,) = [note for note in notes if "the run's sampling: temperature" in note]
    assert ("repetition_penalty 1" in said) == all_of_it


def test_measured_acceptance(draftlab: Command, run: str) -> None:
    arm = ("--arm", "model:toy:0.1 gamma=2")
    rates = draftlab("report", run, "--json").document["arms"]
    (measured,) = [a["acceptance_at"] for a in rates if a["drafter"] == "model:toy:0.1" and a["category"] == "all"][:1]
    text = draftlab("export", run, "--to", "vllm", *arm, "--synthetic", "--json").document["text"]
    assert f'"synthetic_acceptance_rates":[{round(measured[0], 4)},' in text


def test_a_file(draftlab: Command, run: str) -> None:
    result = draftlab("export", run, "--to", "trtllm", "--arm", "ngram,max_ngram=2 gamma=2", "--out", "t.yaml")
    assert (result.status, result.out) == (0, "")
    assert "written: t.yaml" in result.err
    assert "max_matching_ngram_size: 2" in Path("t.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "nobody"), "no engine to export to is called 'nobody'"),
        (("--to", "vllm", "--arm", "nobody"), "no arm of this run is called 'nobody'"),
        (("--to", "vllm", "--synthetic"), "plain decoding has no acceptance"),
        (("--to", "sglang", "--synthetic"), "synthetic acceptance cannot be exported to SGLang"),
        (("--to", "vllm", "--out", "no/where"), "cannot write no/where"),
    ],
)
def test_bad_input_is_told(draftlab: Command, run: str, arguments: tuple[str, ...], message: str) -> None:
    result = draftlab("export", run, *arguments)
    assert result.status == 2
    assert message in result.error


def test_no_run(draftlab: Command) -> None:
    assert "is no run folder" in draftlab("export", "nowhere", "--to", "vllm").error


def test_a_name_that_a_terminal_would_obey(draftlab: Command, run: str) -> None:
    file = Path(run) / "manifest.json"
    file.write_text(file.read_text().replace('"target": "toy"', '"target": "toy\\u001b[2J"'))
    result = draftlab("export", run, "--to", "vllm")
    assert result.status == 2
    assert "characters that cannot be printed" in result.error
