"""Names out of a suite's file are text, whatever they look like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command


@pytest.mark.parametrize("category", ["x[/y]", "[red]x", "esc\x1b]0;owned\x07"])
def test_a_category_is_neither_markup_nor_a_command_to_the_terminal(
    draftlab: Command, tmp_path: Path, category: str
) -> None:
    lines = [{"id": f"p{i}", "category": category, "prompt": f"text {i}"} for i in range(7)]
    (tmp_path / "hostile.jsonl").write_text("\n".join(map(json.dumps, lines)))
    suite = ("--suite", str(tmp_path / "hostile.jsonl"), "--max-new-tokens", "4")
    result = draftlab("bench", "--target", "toy", *suite, "--out", str(tmp_path / "run"))
    assert result.status == 0
    assert "\x1b" not in result.out + draftlab("report", str(tmp_path / "run")).out
