"""What holds of every run that was once written, whatever its schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydantic import BaseModel

from draftlab.report.terminal import print_report
from draftlab.store import Store

HERE = Path(__file__).parent


def check_lines(store: Store, name: str, records: Iterable[BaseModel]) -> None:
    """Every line of the file `name` is read, and every field of it means what was written."""
    lines = (store.folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    for record, line in zip(records, lines, strict=True):
        written = json.loads(line)
        read = json.loads(record.model_dump_json())
        assert {key: read[key] for key in written} == written


def check_manifest(store: Store) -> None:
    """Every field of the manifest means what was written; arms may have got more of them."""
    written = json.loads((store.folder / "manifest.json").read_text(encoding="utf-8"))
    read = json.loads(store.manifest().model_dump_json(by_alias=True))
    assert {key: read[key] for key in written if key != "arms"} == (
        {key: value for key, value in written.items() if key != "arms"}
    )
    for arm, old in zip(read["arms"], written["arms"], strict=True):
        assert {key: arm[key] for key in old} == old


def check_report(store: Store, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The report looks as it does in the file `name`."""
    for switch in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):  # each makes rich colour what is no terminal
        monkeypatch.delenv(switch, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    print_report(store)
    expected = (HERE / name).read_text(encoding="utf-8")
    assert capsys.readouterr().out.splitlines() == expected.splitlines()
