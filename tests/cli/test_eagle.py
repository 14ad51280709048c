"""A head as drafter, from the command line: its own network, which is no language model that transformers knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.engines.toy import ToyModel, ToyTokenizer
from tests.cli.conftest import Command
from tests.models.eagle import eagle_config, eagle_tensors, save_eagle

VOCAB = len(ToyTokenizer().vocabulary())


@pytest.fixture(autouse=True)
def _head(tmp_path: Path) -> None:
    config = eagle_config(VOCAB, ToyModel(VOCAB).hidden_size, 20)
    save_eagle(tmp_path / "head", config, eagle_tensors(config))


@pytest.mark.parametrize("temperature", ["0", "1"])
def test_a_bench_with_it_writes_down_what_it_was(draftlab: Command, mine: str, temperature: str) -> None:
    sampled = ("--temperature", temperature, "--max-new-tokens", "12", "--detail", "tokens", "--json")
    drafter = ("--drafter", "eagle:./head,compress=none", "--drafter", "ngram", "--gamma", "3")
    result = draftlab("bench", "--target", "toy", "--suite", mine, "--out", "run", *drafter, *sampled)
    assert result.status == 0, result.err
    manifest = json.loads(Path("run/manifest.json").read_text())
    facts = manifest["drafters"]["./head,compress=none"]
    assert facts["dtype"] == "float64" and facts["linear"] == "plain"
    assert list(facts["files"]) == ["model.safetensors"]
    traces = [json.loads(line) for line in Path("run/traces.jsonl").read_text().splitlines()]
    drafted = [sum(trace["rounds"]["drafted"]) for trace in traces if trace["arm"].startswith("eagle")]
    assert drafted and all(drafted)
    assert draftlab("bench", "--resume", "--out", "run").status == 0


def test_plain_text_and_drafted_text_are_the_same(draftlab: Command) -> None:
    texts = [
        draftlab(
            "generate", "--target", "toy", "--drafter", drafter, "--prompt", "abc", "--max-new-tokens", "20", "--json"
        )
        for drafter in ("none", "eagle:./head")
    ]
    assert texts[0].document["text"] == texts[1].document["text"]


def test_it_cannot_be_tuned_without_its_target(draftlab: Command, mine: str) -> None:
    tune = ("tune", "--target", "toy", "--suite", mine, "--max-new-tokens", "8", "--budget", "1", "--no-confirm")
    result = draftlab(*tune, "--drafter", "eagle:./head")
    assert result.status == 2
    assert "drafts only while its own target decodes" in result.error


def test_an_audit_finds_nothing_against_it(draftlab: Command) -> None:
    """A random head agrees too seldom for planted bugs to show, so there may be no verdict; nor is it an accusation."""
    size = ("--samples", "600", "--prompts", "1", "--controls", "residual_from_p")
    result = draftlab("audit", "--target", "toy", "--drafter", "eagle:./head", "--seed", "1", *size, "--json")
    document = result.document
    assert not document["accusations"]
    assert document["num_samples"] == 600
    assert all(test["p_value"] > document["level"] for test in document["tests"])
    assert document["greedy"]["identical"] == document["greedy"]["compared"] == 8
