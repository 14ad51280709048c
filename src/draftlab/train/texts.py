"""What the target is asked to go on from: beginnings of texts, requests, and first words."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from draftlab.errors import DraftlabError
from draftlab.suites import BUILT_IN, load_suite
from draftlab.train.data_files import HINT, UnreadableError, files_in, pieces, read_text
from draftlab.train.machine_text import machine_texts
from draftlab.train.openers import OPENERS
from draftlab.train.requests import openings, over_code, requests

_HELD_OUT = 12  # one source of so many is never trained on


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


def texts_of(data: Sequence[str], say: Callable[[str], None] = lambda _: None) -> list[Text]:
    """All texts of the files, folders and suites named; those of this machine where none are.

    `say` is told once of what in the folders is no text.
    """
    left_out: Counter[str] = Counter()
    if data:
        found = [text for name in data for text in _texts_of(name, left_out)]
    else:
        found = [Text(f"machine {name}", text, kind) for name, kind, text in machine_texts()]
        code = [(text.source, text.text) for text in found if text.kind == "code"]
        found += [Text(f"topic {topic}", text, "request", is_request=True) for topic, text in requests()]
        found += [Text(f"topic {topic}", text, "opening") for topic, text in openings()]
        found += [Text(source, text, "request on code", is_request=True) for source, text in over_code(code)]
        found += [Text(f"opener {text}", text, "opener", is_opener=True) for text in OPENERS]
    counts = ", ".join(f"{num} {kind}" for kind, num in sorted(left_out.items()) if num)
    if not found:
        where = ", ".join(data) or "the packages of this machine"
        raise DraftlabError(f"there is no text in {where}{f': {counts}' if counts else ''}", HINT)
    if counts:
        say(f"left out of {', '.join(name for name in data if Path(name).is_dir())}: {counts}")
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


def _texts_of(name: str, left_out: Counter[str]) -> Iterator[Text]:
    """Of what was named, which has to be text; `left_out` counts what is none in a folder."""
    if name in BUILT_IN or not (folder := Path(name)).is_dir():
        yield from _texts_of_one(name, Path(Path(name).name))
        return
    parent = folder.absolute().parent
    for file in files_in(folder, left_out):
        try:
            if _is_suite(str(file)):
                read_text(file)  # for a suite is no larger than a file may be, either
            found = list(_texts_of_one(str(file), file.absolute().relative_to(parent)))
        except DraftlabError as error:
            left_out[error.kind if isinstance(error, UnreadableError) else "no suite"] += 1
        else:
            yield from found


def _texts_of_one(name: str, place: Path) -> Iterator[Text]:
    """Of a suite, or of the file that is called `place` among the sources."""
    if _is_suite(name):
        for prompt in load_suite(name).prompts:
            source = source_of_prompt(name, prompt.id)
            if prompt.messages is None:
                yield Text(source, prompt.prompt or "")
            else:
                yield Text(source, prompt.messages[-1]["content"], "request", is_request=True)
        return
    for number, piece in enumerate(pieces(read_text(Path(name)))):
        yield Text(f"{place} {number // 8}", piece)


def _is_suite(name: str) -> bool:
    return name in BUILT_IN or name.endswith(".jsonl")
