"""The command line as a user meets it, in a folder of its own: exit status, standard output, standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from draftlab.cli import main


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which has to be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The one line of standard error that says what is wrong; it has to be the last."""
        errors = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, self.err
        assert self.err.splitlines()[-1] == errors[0]
        assert "Traceback" not in self.err
        return errors[0]


Command = Callable[..., Result]


@pytest.fixture
def draftlab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `draftlab` with arguments, by the same function that the installed command calls."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")  # no line of standard error is wrapped

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["draftlab", *arguments])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        shown = capsys.readouterr()
        return Result(status, shown.out, shown.err)

    return run


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A suite of three short prompts of two categories."""
    rows = [("one", "code", "for i in i:"), ("two", "code", "abcabcabc"), ("three", "prose", "Once upon a time")]
    lines = [json.dumps({"id": name, "category": category, "prompt": text}) for name, category, text in rows]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    return "mine.jsonl"
