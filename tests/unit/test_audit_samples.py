"""Samples survive an interruption, and are never mixed with those of another audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.audit.samples import SampleLog
from draftlab.errors import DraftlabError


def test_what_was_written_is_read_again_in_its_order(tmp_path: Path) -> None:
    texts = [(i, i + 1) for i in range(120)]
    with SampleLog.open(tmp_path, {"of": "x"}) as log:
        for text in texts:
            log.write("x", "p", text)
        log.write("y", "p", (9,))
    with SampleLog.open(tmp_path, {"of": "x"}) as log:
        assert log.read("x", "p") == texts
        assert log.read("y", "p") == [(9,)]
        assert log.read("x", "q") == []


def test_a_kill_loses_the_last_few_at_most(tmp_path: Path) -> None:
    log = SampleLog.open(tmp_path, {"of": "x"})
    for i in range(120):
        log.write("x", "p", (i,))
    with (tmp_path / "samples.jsonl").open("ab") as file:  # killed in the middle of a line
        file.write(b'{"subject": "x", "pro')
    assert SampleLog.open(tmp_path, {"of": "x"}).read("x", "p") == [(i,) for i in range(100)]


def test_another_audit_is_refused(tmp_path: Path) -> None:
    with SampleLog.open(tmp_path, {"of": "x"}):
        pass
    with pytest.raises(DraftlabError, match="another audit"):
        SampleLog.open(tmp_path, {"of": "y"})


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DraftlabError, match="cannot keep samples"):
        SampleLog.open(tmp_path / "file", {})


def test_without_a_folder_nothing_is_kept() -> None:
    with SampleLog.open(None, {}) as log:
        log.write("x", "p", (1,))
        assert log.read("x", "p") == []
