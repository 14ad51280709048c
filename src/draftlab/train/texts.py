"""What the target is asked to go on from: beginnings of texts, requests, and first words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from draftlab.errors import DraftlabError
from draftlab.suites import BUILT_IN, load_suite
from draftlab.train.machine_text import machine_texts
from draftlab.train.openers import OPENERS
from draftlab.train.requests import openings, over_code, requests

_HELD_OUT = 12  # one source of so many is never trained on
_MOST_BYTES = 50_000_000  # of one file
_LONGEST_LINE = 1_000_000
_PIECE = 1200  # characters of a file's text that become one prompt
_HINT = "Give text files of UTF-8, suites, or nothing at all."


@dataclass(frozen=True, slots=True)
class Text:
    """A beginning that the target goes on from: plain, or a request that goes through the chat template."""

    source: str
    """The file or topic: all texts of one are either trained on or held out."""
    text: str
    kind: str = "text"
    """Kinds take turns, so that none crowds out the others."""
    is_request: bool = False
    is_opener: bool = False
    """A word or two, on which the target writes many texts, each of its own."""
    is_prompt: bool = False
    """What a user asks: given whole, and gone on from again and again, as there are few."""
    messages: tuple[Mapping[str, str], ...] | None = None
    """Of a prompt that is a chat, with all that was said before."""


def texts_of(data: Sequence[str]) -> list[Text]:
    """All texts of the files and suites named; those of this machine where none are."""
    if data:
        found = [text for name in data for text in _texts_of(name)]
    else:
        found = [Text(f"machine {name}", text, kind) for name, kind, text in machine_texts()]
        code = [(text.source, text.text) for text in found if text.kind == "code"]
        found += [Text(f"topic {topic}", text, "request", is_request=True) for topic, text in requests()]
        found += [Text(f"topic {topic}", text, "opening") for topic, text in openings()]
        found += [Text(source, text, "request on code", is_request=True) for source, text in over_code(code)]
        found += [Text(f"opener {text}", text, "opener", is_opener=True) for text in OPENERS]
    if not found:
        raise DraftlabError(f"there is no text in {', '.join(data) or 'the packages of this machine'}", _HINT)
    return found


def held_out_sources(texts: Sequence[Text]) -> set[str]:
    """The sources that are never trained on; decided by their names, so that it is the same in every run.

    Of few sources it is the first in the order of the hash, where chance would take none; of one, none.
    """
    digests = {text.source: hashlib.md5(text.source.encode(), usedforsecurity=False).digest() for text in texts}
    held = {source for source, digest in digests.items() if digest[0] % _HELD_OUT == 0}
    return held or set(sorted(digests, key=digests.__getitem__)[: len(digests) > 1])


def source_of_prompt(suite: str, prompt_id: str) -> str:
    """The folder of the suite is no part of it: wherever its file lies, the same prompts are held out."""
    return f"{PurePath(suite).name} {prompt_id}"


def digest_of(texts: Sequence[Text]) -> str:
    """Of all texts and their sources: a run that goes on needs the same."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{text.source}\0{text.text}\0".encode())
    return digest.hexdigest()


def _texts_of(name: str) -> Iterator[Text]:
    if name in BUILT_IN or name.endswith(".jsonl"):
        for prompt in load_suite(name).prompts:
            source = source_of_prompt(name, prompt.id)
            if prompt.messages is None:
                yield Text(source, prompt.prompt or "")
            else:
                yield Text(source, prompt.messages[-1]["content"], "request", is_request=True)
        return
    given = Path(name).absolute()
    for path in _files(Path(name)):
        place = path.absolute().relative_to(given.parent)
        for number, piece in enumerate(pieces(read_text(path))):
            yield Text(f"{place} {number // 8}", piece)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))
    if path.is_file():
        return [path]
    raise DraftlabError(f"there is no file or suite {path}", f"Suites are {', '.join(BUILT_IN)}.")


def read_text(path: Path) -> str:
    """A file's text; what is no text is refused by name."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DraftlabError(f"{path} has more than {_MOST_BYTES // 10**6} MB", "Split it.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DraftlabError(f"cannot read {path}: {error.strerror}", "Is the path right?") from error
    except UnicodeDecodeError as error:
        raise DraftlabError(f"{path} is not UTF-8 text: {error.reason}", _HINT) from error
    if "\0" in text:
        raise DraftlabError(f"{path} is a binary file", _HINT)
    if not text.strip():
        raise DraftlabError(f"{path} is empty", _HINT)
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        raise DraftlabError(f"{path} has a line of more than {_LONGEST_LINE} characters", "Break it into lines.")
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
