"""The adapter of the page on audits works as printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.cli import main
from draftlab.testing.planted import PLANTED
from tests.docs.pages import HOW_TO, blocks
from tests.models.saved import save
from tests.models.tiny import NOISE, WIDTH, derived_network, tiny_family

PAGE = HOW_TO / "audit-an-implementation.md"


def test_the_adapter_is_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    family = tiny_family("llama")
    target = save(family.network, tmp_path / "target")
    drafter = save(derived_network(family.network, WIDTH, noise=NOISE["llama"]), tmp_path / "drafter")
    (tmp_path / "page_adapter.py").write_text(blocks(PAGE, "python")[0].text)
    prompts = [{"id": f"p{i}", "category": "words", "prompt": f"w{i} w{i + 3} w7 w9"} for i in range(2, 4)]
    suite = tmp_path / "words.jsonl"
    suite.write_text("\n".join(map(json.dumps, prompts)))
    monkeypatch.chdir(tmp_path)
    command = ["draftlab", "audit", "--of", "page_adapter:open_mine", "--target", str(target)]
    command += ["--drafter", f"model:{drafter},compress=none", "--suite", str(suite), "--samples", "120", "--json"]
    monkeypatch.setattr("sys.argv", [*command, "--prompts", "1", "--controls", ""])
    with pytest.raises(SystemExit) as ended:
        main()
    document = json.loads(capsys.readouterr().out)
    assert document["greedy"]["identical"] == document["greedy"]["compared"] == 2
    assert all(test["p_value"] > document["level"] for test in document["tests"])
    assert document["greedy"]["cost"]["target"] > 1
    assert ended.value.code == 1  # no controls, no verdict


def test_every_planted_bug_is_in_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in PLANTED:
        assert f"`{name}`" in text
