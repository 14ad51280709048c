"""Files that are learned from: one that was named has to be text; what else lies in a folder is left out of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from draftlab.errors import DraftlabError
from draftlab.suites import BUILT_IN

_MOST_BYTES = 50_000_000  # of one file
_LONGEST_LINE = 1_000_000
_PIECE = 1200  # characters of a file's text that become one prompt
HINT = "Give text files of UTF-8, suites, or nothing at all."


class UnreadableError(DraftlabError):
    """A file from which nothing can be learned."""

    def __init__(self, path: Path, reason: str, kind: str, hint: str = HINT) -> None:
        super().__init__(f"{path} {reason}", hint)
        self.kind = kind
        """The reason in a word or two, by which such files of a folder are counted."""


def files_in(folder: Path, left_out: Counter[str]) -> list[Path]:
    """All below `folder`, but hidden ones and what lies in hidden folders, such as .git.

    `left_out` counts what is not among them, by reason.
    """

    def closed(_: OSError) -> None:
        left_out["unreadable"] += 1

    found = []
    for place, folders, names in os.walk(folder, onerror=closed):
        left_out["hidden"] += sum(name.startswith(".") for name in (*folders, *names))
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if file.is_file():
                found.append(file)
            else:  # a link to nothing, or a pipe
                left_out["unreadable"] += 1
    return sorted(found)


def read_text(path: Path) -> str:
    """A file's text; what is no text is refused by name."""
    if not path.exists():
        raise DraftlabError(f"there is no file or suite {path}", f"Suites are {', '.join(BUILT_IN)}.")
    if not path.is_file():
        raise UnreadableError(path, "is no file", "unreadable")
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UnreadableError(path, f"has more than {_MOST_BYTES // 10**6} MB", "too large", "Split it.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableError(path, f"cannot be read: {error.strerror}", "unreadable", "Is the path right?") from error
    except UnicodeDecodeError as error:
        raise UnreadableError(path, f"is not UTF-8 text: {error.reason}", "not UTF-8") from error
    if "\0" in text:
        raise UnreadableError(path, "is a binary file", "binary")
    if not text.strip():
        raise UnreadableError(path, "is empty", "empty")
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        reason = f"has a line of more than {_LONGEST_LINE} characters"
        raise UnreadableError(path, reason, "of too long lines", "Break it into lines.")
    return text


def pieces(text: str) -> Iterator[str]:
    """`text` cut between lines into pieces of about one size."""
    piece = ""
    for line in text.splitlines(keepends=True):
        if piece and len(piece) + len(line) > _PIECE:
            yield piece
            piece = ""
        piece += line
    if piece.strip():
        yield piece
