"""What `draftlab train` refuses, each in one line and with status 2."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from draftlab.cli import main


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--target", "toy"], "shows no hidden states"),
        (["--loss", "mse"], "--loss cannot be 'mse'"),
        (["--minutes", "0"], "--minutes cannot be"),
        (["--layers", "low,high"], "--layers cannot be 'low,high'"),
        (["--resume"], "--resume needs --out"),
        (["--target", "no/such/folder"], "no/such/folder"),
    ],
)
def test_refusals(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["draftlab", "train", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert reason in errors[0]


def test_a_folder_without_a_run_cannot_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["draftlab", "train", "--resume", "--out", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there is no training run" in capsys.readouterr().err
