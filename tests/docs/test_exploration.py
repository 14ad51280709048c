"""The page on the original exploration runs as printed, with the toy in place of its models."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import pytest

from draftlab import RunView, TraceView
from draftlab.drafters.reference import parse_drafter
from draftlab.models import CATALOGUE, resolve
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "exploration.md"
ITS_PAIR = 'TARGET, DRAFTER = "smollm2-135m-instruct", "ngram"'


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", shown := StringIO())
    names: dict[str, object] = {}
    code = [block.text for block in blocks(PAGE, "python")]
    assert sum(ITS_PAIR in text for text in code) == 1
    for text in code:
        exec(compile(text.replace(ITS_PAIR, 'TARGET, DRAFTER = "toy", "model:toy:0.3"'), str(PAGE), "exec"), names)
    run, text = names["run"], names["text"]
    assert isinstance(run, RunView) and isinstance(text, TraceView)
    assert "<table>" in run._repr_html_()
    assert text._repr_html_().count("<span") > len(text.trace.tokens) > 20  # token by token
    assert [line.split()[0] for line in shown.getvalue().splitlines()[:3]] == ["prose", "code", "all"]
    assert "3 of 3 texts are identical" in shown.getvalue()


def test_the_pairs_it_names_can_be_asked_for() -> None:
    names: dict[str, dict[str, tuple[str, str]]] = {}
    exec(blocks(PAGE, "python")[-1].text, names)
    assert len(names["PAIRS"]) == 3
    for target, drafter in names["PAIRS"].values():
        reference = parse_drafter(drafter)
        assert reference.name == "model" and reference.argument is not None
        known = {entry.hub_id for entry in CATALOGUE.values()}
        assert {resolve(target).location, resolve(reference.argument).location} <= known
