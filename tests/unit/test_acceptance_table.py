"""The tables of `report --acceptance`: what stands where, and that they fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.records import RunManifest, TokenBytes
from draftlab.report.acceptance_table import print_acceptance
from draftlab.report.measure import measure
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, manifest, prompt, trace
from tests.unit.spelled import Spelling, detail, watched

WIDTH = 80


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


def printed(folder: Path, facts: RunManifest, capsys: pytest.CaptureFixture[str], *, details: bool = True) -> list[str]:
    """The lines for a run in which every prompt accepts an `if` and is refused an `x`."""
    spell = Spelling()
    rounds = [watched(spell("if", " x"), 1, spell("if", " y"), entropy=[0.0, 2.5, 1.0])]
    store = Store.create(folder / "run", facts)
    with store.writer() as writer:
        for each in facts.prompts:
            writer.traces.append(trace(BASELINE, each.id))
            writer.traces.append(trace(DRAFTED, each.id, drafted=[2], accepted=[1]))
            if details:
                writer.details.append(detail(each.id, rounds))
        for token, known in spell.bytes.items():
            writer.token_bytes.append(TokenBytes(id=token, hex=known.hex()))
    print_acceptance(measure(store))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def facts(*names: str, subcategory: str = "") -> RunManifest:
    prompts = [prompt(f"{name}{i}", name) for name in names for i in range(6)]
    return manifest(prompts=tuple(each.model_copy(update={"subcategory": subcategory}) for each in prompts))


def test_the_tables_of_two_categories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(tmp_path, facts("code", "prose", subcategory="sort"), capsys)
    rows = {line.split()[0]: line for line in lines if line.strip()}
    assert "accepted per round: code 1.00 [1.00, 1.00], prose 1.00 [1.00, 1.00]" in " ".join(lines)
    assert rows["2"].split()[1:5] == [".00", ".00", "[.00,", ".00]"]
    assert rows["keyword"].split() == [
        "keyword",
        "50",
        "%",
        "1.0",
        "[1.0,",
        "1.0]",
        "–",
        "–",
        "25",
        "%",
        "1.0",
        "[1.0,",
        "1.0]",
    ]
    assert rows["2-3"].split()[:4] == ["2-3", "50", "%", ".00"]
    assert rows["1-16"].split()[:4] == ["1-16", "100", "%", ".50"]
    assert rows["code/sort"].split()[:4] == ["code/sort", "50", "%", ".50"]
    assert "code less prose, by entropy: +0.00 [+0.00, +0.00] = +0.00" in " ".join(lines)
    assert max(len(line) for line in lines if not line.startswith(("accepted per round", "code less"))) <= WIDTH


def test_of_many_categories_all_alone_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(tmp_path, facts("code", "prose", "math"), capsys)
    assert not any(line.split() == ["code", "prose", "math", "all"] for line in lines)
    assert any(line.split() == ["all"] for line in lines)


def test_without_details_there_is_less_and_how_to_have_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(printed(tmp_path, facts("code", "prose"), capsys, details=False))
    assert "token class " not in text.replace("token classes", "")
    assert "new tokens" in text
    assert "--detail tokens" in text


def test_names_are_harmless(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(tmp_path, facts("co\x1bde", "pro[red]se", subcategory="a\x1b[31m"), capsys)
    assert "\x1b" not in "\n".join(lines)
    assert any("pro[red]se" in line for line in lines)
