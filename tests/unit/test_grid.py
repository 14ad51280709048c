"""A grid: its cells and their keys."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.grid import identity
from draftlab.grid.cells import cells_of
from draftlab.grid.spec import make_grid
from tests.unit.grids import SMALL


def test_a_grid_is_every_combination_and_draft_lengths_share_a_cell() -> None:
    grid = make_grid({**SMALL, "rules": ["rejection", "block"], "temperatures": [0, 0.5, 1]})
    cells = cells_of(grid)
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 2 * 3 * 2
    assert {(c.drafter, c.rule, c.temperature, c.suite) for c in cells} == {
        (d, r, t, s)
        for d in ("ngram", "model:toy:0.3")
        for r in ("rejection", "block")
        for t in (0, 0.5, 1)
        for s in ("code", "prose")
    }
    assert all(tuple(cell.experiment["gammas"]) == (1, 3) and cell.experiment["limit"] == 6 for cell in cells)


def test_pairs_say_which_drafter_belongs_to_which_target() -> None:
    pairs = [{"target": "toy", "drafters": ["model:toy:0.3"]}, {"target": "toy:x", "drafters": ["ngram"]}]
    found = [(cell.target, cell.drafter) for cell in cells_of(make_grid({"pairs": pairs, "suite": "code"}))]
    assert found == [("toy", "model:toy:0.3"), ("toy:x", "ngram")]


def test_a_spec_of_a_bench_is_a_grid() -> None:
    grid = make_grid({"target": "toy", "drafters": ["ngram"], "gammas": [2], "suites": ["code"], "rule": "block"})
    (cell,) = cells_of(grid)
    assert (cell.rule, cell.temperature) == ("block", None)
    assert "temperature" not in cell.experiment


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"drafers": ["ngram"]}, "no setting is called 'drafers'.*Did you mean 'drafters'"),
        ({"drafters": []}, "the list drafters of a sweep is empty"),
        ({"rule": "block", "rules": ["block"]}, "both rules and rules|both"),
        ({"pairs": [{"target": "toy", "drafters": ["ngram"]}], "drafters": ["ngram"]}, "pairs beside targets"),
        ({"pairs": [{"target": "toy"}]}, "pairs.0.drafters"),
        ({"temperatures": ["hot"]}, "temperatures.0"),
        ({"engine": "vllm"}, "a sweep cannot have the setting engine"),
        ({"until": "2%"}, "a sweep cannot have the setting until"),
    ],
)
def test_a_bad_spec_is_told_in_one_line(content: dict[str, Any], told: str) -> None:
    with pytest.raises(DraftlabError) as caught:
        make_grid(content)
    assert re.search(told, f"{caught.value} {caught.value.hint}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"drafters": ["ngram", "modle:x"]}, "no drafter is called 'modle'"),
        ({"drafters": ["none"]}, "plain decoding is in every cell"),
        ({"drafters": ["model"]}, "the drafter 'model' names no model"),
        ({"rules": ["rejection", "rejecton"]}, "no rule is called 'rejecton'"),
        ({"suites": ["code", "nothing.jsonl"]}, "cannot read the suite nothing.jsonl"),
        ({"drafters": ["model:/nowhere/at all"]}, "there is no folder /nowhere"),
        ({"gammas": [300]}, "gamma"),
        ({"temperatures": [-1.0]}, "temperature"),
    ],
)
def test_what_the_last_cell_would_stumble_over_is_told_before_the_first(content: dict[str, Any], told: str) -> None:
    with pytest.raises(DraftlabError, match=told):
        cells_of(make_grid({"target": "toy", **content}))


def test_a_key_follows_from_all_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = tmp_path / "mine.jsonl"
    suite.write_text(json.dumps({"id": "a", "category": "code", "prompt": "x"}) + "\n")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"\0" * (3 * 2**20))
    asked = {"target": str(model), "suites": [str(suite)], "drafters": ["ngram"]}

    def key() -> str:
        identity.model_hash.cache_clear()
        (cell,) = cells_of(make_grid(asked))
        return cell.key

    first = key()
    assert key() == first
    asked["limit"] = 1
    assert key() != first
    del asked["limit"]
    suite.write_text(json.dumps({"id": "a", "category": "code", "prompt": "y"}) + "\n")
    with_other_prompt = key()
    assert with_other_prompt != first
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-1] = 1
    (model / "model.safetensors").write_bytes(content)
    with_other_weights = key()
    assert with_other_weights != with_other_prompt
    monkeypatch.setattr("draftlab.grid.cells.code_hash", lambda: "other code")
    assert key() != with_other_weights


def test_the_code_of_another_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from draftlab.drafters import DRAFTERS
    from draftlab.registry import Entry

    module = tmp_path / "somebodys_drafter.py"
    module.write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries = {**DRAFTERS.entries(), "mine": Entry("somebodys_drafter:Mine", "")}
    monkeypatch.setattr(type(DRAFTERS), "entries", lambda self: entries if self is DRAFTERS else {})

    def found() -> str | None:
        identity.component_hash.cache_clear()
        return identity.component_hash("drafter", "mine")

    first = found()
    assert first is not None
    module.write_text("class Mine:\n    x = 1\n")
    assert found() not in (None, first)
    assert identity.component_hash("drafter", "ngram") is None


def test_the_models_of_a_drafter_behind_lookup_count() -> None:
    assert list(identity.models_of("lookup+model:toy:0.3,lookup_min_ngram=2")) == ["toy:0.3"]
    assert list(identity.components_of("lookup+model:toy:0.3")) == ["lookup", "model"]
    assert list(identity.models_of("ngram")) == []
