"""Prompt lookup before another drafter, from the command line: measured, tuned, audited, and not exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.store import Store
from tests.cli.conftest import Command

HYBRID = "lookup+model:toy:0.3,lookup_min_ngram=1,lookup_max_ngram=2"


@pytest.mark.parametrize("temperature", ["0", "1"])
def test_a_bench_with_it(draftlab: Command, mine: str, temperature: str) -> None:
    settings = ("--temperature", temperature, "--max-new-tokens", "24", "--ignore-eos", "--detail", "tokens", "--json")
    drafters = ("--drafter", HYBRID, "--drafter", "model:toy:0.3", "--gamma", "3")
    result = draftlab("bench", "--target", "toy", "--suite", mine, "--out", "run", *drafters, *settings)
    assert result.status == 0, result.err
    assert {arm["drafter"] for arm in result.document["arms"]} == {HYBRID, "model:toy:0.3"}
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert list(manifest["drafters"]) == ["toy:0.3"]
    rounds = [
        r for detail in Store.open(Path("run")).details() if detail.arm.startswith("lookup") for r in detail.rounds
    ]
    assert {r.q is None for r in rounds if r.drafted} == {True, False}, "some were looked up, and some the model's"


def test_an_arm_of_it_is_not_exported(draftlab: Command, mine: str) -> None:
    settings = ("--target", "toy", "--suite", mine, "--max-new-tokens", "6", "--no-control")
    assert draftlab("bench", *settings, "--drafter", HYBRID, "--gamma", "2", "--out", "run").status == 0
    result = draftlab("export", "run", "--to", "vllm", "--arm", f"{HYBRID} gamma=2")
    assert result.status == 2
    assert "no other engine has it" in result.error and "--arm" in result.error


def test_it_is_tuned_by_its_own_drafts(draftlab: Command, mine: str) -> None:
    settings = ("--target", "toy", "--suite", mine, "--max-new-tokens", "8", "--max-gamma", "3", "--budget", "1")
    result = draftlab("tune", *settings, "--no-confirm", "--drafter", HYBRID, "--json")
    assert result.status == 0, result.err
    assert {(c["drafter"], c["policy"]) for c in result.document["candidates"]} == {(HYBRID, "fixed")}


def test_what_it_draws_is_not_replayed(draftlab: Command, mine: str) -> None:
    settings = ("--target", "toy", "--suite", mine, "--max-new-tokens", "8", "--budget", "1", "--temperature", "1")
    result = draftlab("tune", *settings, "--no-confirm", "--drafter", HYBRID)
    assert result.status == 2
    assert "draws its drafts" in result.error


def test_an_audit_finds_nothing_against_it(draftlab: Command) -> None:
    size = ("--samples", "600", "--prompts", "1", "--controls", "residual_from_p")
    result = draftlab("audit", "--target", "toy", "--drafter", HYBRID, "--seed", "1", *size, "--json")
    document = result.document
    assert not document["accusations"] and document["num_samples"] == 600
    assert document["greedy"]["identical"] == document["greedy"]["compared"] == 8
    assert document["greedy"]["cost"]["drafter"] > 0
