"""Folders of users hold more than text: what is none is left out of them and counted, once, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.train.texts import texts_of

SUITE = '{"id": "q", "prompt": "Why is the sky blue?"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project as it lies on a disk, below a hidden folder as it may be."""
    folder = tmp_path / ".cache" / "project"
    for name in (".git", "docs", "docs/.hidden"):
        (folder / name).mkdir(parents=True)
    (folder / ".git" / "index").write_bytes(b"DIRC\x00\x00")
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (folder / "docs" / ".hidden" / "draft.md").write_text("nobody's words")
    (folder / ".env").write_text("KEY=secret")
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    (folder / "zeros.dat").write_bytes(b"\x00\x01\x02")
    (folder / "__init__.py").write_text("")
    (folder / "long.txt").write_text("x" * 1_000_001)
    (folder / "gone.txt").symlink_to(tmp_path / "nowhere")
    (folder / "rows.jsonl").write_text('{"label": 3}\n')
    (folder / "asked.jsonl").write_text(SUITE)
    (folder / "docs" / "page.md").write_text("a page of text")
    (folder / "main.py").write_text("print(1)")
    return folder


def test_what_is_text_in_a_folder_is_learned_from_and_the_rest_is_told_in_one_line(folder: Path) -> None:
    said: list[str] = []
    texts = texts_of([str(folder)], said.append)
    assert [(text.source, text.text) for text in texts] == [
        ("asked.jsonl q", "Why is the sky blue?"),
        ("project/docs/page.md 0", "a page of text"),
        ("project/main.py 0", "print(1)"),
    ]
    counts = "1 binary, 1 empty, 3 hidden, 1 no suite, 1 not UTF-8, 1 of too long lines, 1 unreadable"
    assert said == [f"left out of {folder}: {counts}"]


def test_several_folders_are_told_of_together_and_clean_ones_not_at_all(folder: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    clean.mkdir()
    (clean / "a.txt").write_text("text")
    said: list[str] = []
    texts_of([str(clean)], said.append)
    assert said == []
    texts_of([str(folder), str(folder)], said.append)
    assert len(said) == 1 and "2 binary" in said[0]


@pytest.mark.parametrize(
    ("name", "reason"), [("logo.png", "is not UTF-8"), ("__init__.py", "is empty"), ("rows.jsonl", "line 1")]
)
def test_what_is_named_is_refused(folder: Path, name: str, reason: str) -> None:
    with pytest.raises(DraftlabError, match=reason):
        texts_of([str(folder), str(folder / name)])


def test_a_folder_without_any_text_is_refused_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    (tmp_path / "__init__.py").write_text("")
    with pytest.raises(DraftlabError) as caught:
        texts_of([str(tmp_path)])
    assert str(caught.value) == f"there is no text in {tmp_path}: 1 empty, 1 not UTF-8"


def test_a_suite_has_the_same_sources_by_itself_and_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "asked.jsonl").write_text(SUITE)
    assert texts_of([str(tmp_path)]) == texts_of([str(tmp_path / "asked.jsonl")])
