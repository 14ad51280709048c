"""Data of users: what is no text gets one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.train.machine_text import machine_texts
from draftlab.train.requests import openings, over_code, requests
from draftlab.train.texts import Text, digest_of, held_out_sources, texts_of


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


def test_where_files_lie_does_not_decide_what_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = []
    for place in ("here", "there"):
        folder = tmp_path / place / "mine"
        (folder / "more").mkdir(parents=True)
        (folder / "more" / "b.md").write_text("another text")
        (folder / "asked.jsonl").write_text('{"id": "q", "prompt": "Why?"}\n')
        sources.append([text.source for text in texts_of([str(folder / "more"), str(folder / "asked.jsonl")])])
        monkeypatch.chdir(folder)
        sources.append([text.source for text in texts_of(["more", "asked.jsonl"])])
    assert sources == [["more/b.md 0", "asked.jsonl q"]] * 4


@pytest.fixture(scope="module")
def found() -> list[tuple[str, str, str]]:
    return list(machine_texts())  # reads some thousand files


def test_this_machine_has_code_and_prose_the_same_every_time(found: list[tuple[str, str, str]]) -> None:
    assert {kind for _, kind, _ in found} == {"code", "prose"}
    assert found == list(machine_texts())


def test_requests_differ() -> None:
    found = list(requests())
    assert len({text for _, text in found}) == len(found) > 1000
    (asked,) = over_code([("file.py", "def f():\n    return 1\n")])
    assert "def f():" in asked[1]


def test_openings_differ() -> None:
    found = list(openings())
    assert len({text for _, text in found}) == len(found) > 900


def test_nothing_that_was_copied_into_another_package_is_read(found: list[tuple[str, str, str]]) -> None:
    sources = {source for source, _, _ in found}
    assert not [source for source in sources if "_vendor" in source or "/site-packages/" in source]


def test_some_sources_are_held_out_whole_however_few() -> None:
    many = [Text(f"source {number // 3}", f"text {number}") for number in range(600)]
    held = held_out_sources(many)
    assert 5 < len(held) < 35
    assert held == held_out_sources(many[::-1])
    few = [Text("b", "1"), Text("c", "2"), Text("b", "3")]
    assert all(held_out_sources([text]) == set() for text in few)  # chance would take none of them
    assert held_out_sources(few) == held_out_sources(few[::-1]) == {"c"}  # the first in the order of the hash


def test_other_texts_are_told_by_their_digest() -> None:
    text = Text("a", "one")
    assert digest_of([text]) == digest_of([Text("a", "one")])
    assert len({digest_of([text]), digest_of([Text("a", "two")]), digest_of([Text("b", "one")]), digest_of([])}) == 4
