"""Data of users: what is no text gets one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.train.machine_text import machine_texts
from draftlab.train.requests import over_code, requests
from draftlab.train.texts import texts_of


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x00\x01\x02", "is a binary file"),
        (b"\xff\xfe\xfa", "is not UTF-8"),
        (b"x" * 10_000_000, "has a line of more than"),
    ],
)
def test_bad_data(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "data.txt"
    path.write_bytes(content)
    with pytest.raises(DraftlabError, match=reason):
        texts_of([str(path)])


def test_what_is_not_there() -> None:
    with pytest.raises(DraftlabError, match="there is no file or suite"):
        texts_of(["no/such/file.txt"])


def test_files_folders_and_suites(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one line\n" * 400)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.md").write_text("another text")
    (tmp_path / "asked.jsonl").write_text('{"id": "q", "messages": [{"role": "user", "content": "Why?"}]}\n')
    texts = texts_of([str(tmp_path / "a.txt"), str(tmp_path / "more"), str(tmp_path / "asked.jsonl")])
    assert len([text for text in texts if "a.txt" in text.source]) > 2
    assert "another text" in [text.text for text in texts]
    assert [text.text for text in texts if text.is_request] == ["Why?"]


def test_this_machine_has_code_and_prose_the_same_every_time() -> None:
    found = list(machine_texts())
    kinds = {kind for _, kind, _ in found}
    assert kinds == {"code", "prose"}
    assert found == list(machine_texts())


def test_requests_differ() -> None:
    found = list(requests())
    assert len({text for _, text in found}) == len(found) > 1000
    (asked,) = over_code([("file.py", "def f():\n    return 1\n")])
    assert "def f():" in asked[1]
