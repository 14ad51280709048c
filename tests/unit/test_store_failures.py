"""What the store says when the disk is full, or when a manifest is none; in one line, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, manifest, trace

ONE, TWO = trace(BASELINE, "a"), trace(DRAFTED, "a")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "run", manifest())


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, code: int = errno.ENOSPC) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_in_one_line_and_what_was_written_stays(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with store.writer() as writer:
        writer.traces.append(ONE)
    with monkeypatch.context() as full, pytest.raises(DraftlabError, match="no space left to write to") as caught:
        fill_the_disk(full, code)
        with store.writer() as writer:
            writer.traces.append(TWO)
    assert "\n" not in str(caught.value)
    assert "--resume" in (caught.value.hint or "")
    assert next(store.traces()) == ONE


def test_after_a_full_disk_the_run_can_go_on(store: Store) -> None:
    """A disk that fills up takes the first half of a line."""
    with store.writer() as writer:
        writer.traces.append(ONE)
    lines = store.folder / "traces.jsonl"
    with pytest.raises(DraftlabError, match="no space left"), store.writer() as writer:
        writer.traces._file = HalfFull(writer.traces._file, len(lines.read_bytes()) // 2)
        writer.traces.append(TWO)
    assert not lines.read_bytes().endswith(b"\n")
    assert list(store.traces()) == [ONE]
    with store.writer() as writer:
        writer.traces.append(TWO)
    assert list(store.traces()) == [ONE, TWO]


class HalfFull:
    """A file on a disk that has room for `room` more bytes."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room = file, room

    def write(self, content: bytes) -> int:
        self._file.write(content[: self._room])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        self._file.close()


def test_a_run_that_could_not_be_created_leaves_a_folder_in_which_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full, pytest.raises(DraftlabError, match="no space left"):
        fill_the_disk(full)
        Store.create(tmp_path / "run", manifest())
    with pytest.raises(DraftlabError, match="is no run folder"):
        Store.open(tmp_path / "run")
    assert Store.create(tmp_path / "run", manifest()).manifest() == manifest()


def test_another_refusal_of_the_file_system_is_told_in_its_words(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_the_disk(monkeypatch, errno.EIO)
    with pytest.raises(DraftlabError, match=r"cannot write to .*: Input/output error"), store.writer() as writer:
        writer.traces.append(ONE)


def test_a_folder_below_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DraftlabError, match=r"cannot write to .*: Not a directory"):
        Store.create(tmp_path / "file" / "run", manifest())


@pytest.mark.parametrize("version", [0, 4, "1", None])
def test_a_manifest_of_another_schema_is_refused(store: Store, version: object) -> None:
    path = store.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": version}))
    with pytest.raises(DraftlabError, match=f"has record format {version!r}, this draftlab reads 1 to 3"):
        store.manifest()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"schema": 1}', b'{"schema": 1, "speed": 3}', b"null", b"1"]
)
def test_a_manifest_that_is_none_is_named_in_one_line(store: Store, content: bytes) -> None:
    path = store.folder / "manifest.json"
    path.write_bytes(content)
    with pytest.raises(DraftlabError, match=r"manifest\.json cannot be read: ") as caught:
        store.manifest()
    assert "\n" not in str(caught.value)


def test_a_manifest_with_a_key_too_many_names_the_key(store: Store) -> None:
    path = store.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "speed": 3}))
    with pytest.raises(DraftlabError, match="speed"):
        store.manifest()
