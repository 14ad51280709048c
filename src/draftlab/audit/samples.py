"""Samples on disk, so that an audit that was interrupted goes on where it stood."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from pydantic import BaseModel

from draftlab.audit.law import Text
from draftlab.errors import DraftlabError
from draftlab.store.lines import LineWriter, read_lines

_EACH = 50  # samples a line: each line is forced to the disk


class Batch(BaseModel):
    """Some samples of one prompt, in the order in which they were drawn."""

    subject: str
    prompt_id: str
    texts: tuple[tuple[int, ...], ...]


class SampleLog:
    """Keeps samples in a folder; without one it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._had: dict[tuple[str, str], list[Text]] = defaultdict(list)
        self._pending: dict[tuple[str, str], list[Text]] = defaultdict(list)
        self._writer = None
        if path is not None:
            for batch in read_lines(path, Batch):
                self._had[batch.subject, batch.prompt_id] += batch.texts
            self._writer = LineWriter(path)

    @classmethod
    def open(cls, folder: Path | None, identity: Mapping[str, object]) -> SampleLog:
        """The log in `folder`, made if it is not there; raise if it belongs to another audit."""
        if folder is None:
            return cls(None)
        about = folder / "audit.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if about.exists() and json.loads(about.read_text(encoding="utf-8")) != identity:
                raise DraftlabError(f"{folder} holds the samples of another audit", "Choose another folder with --out.")
            about.write_text(json.dumps(identity, indent=1), encoding="utf-8")
        except (OSError, ValueError) as error:
            raise DraftlabError(f"cannot keep samples in {folder}: {error}", "Choose another with --out.") from error
        return cls(folder / "samples.jsonl")

    def read(self, subject: str, prompt_id: str) -> list[Text]:
        """What was drawn before."""
        return list(self._had[subject, prompt_id])

    def write(self, subject: str, prompt_id: str, text: Text) -> None:
        """Keep one more."""
        if self._writer is None:
            return
        pending = self._pending[subject, prompt_id]
        pending.append(text)
        if len(pending) == _EACH:
            self._flush(subject, prompt_id)

    def _flush(self, subject: str, prompt_id: str) -> None:
        texts = tuple(self._pending.pop((subject, prompt_id), ()))
        if texts and self._writer is not None:
            self._writer.append(Batch(subject=subject, prompt_id=prompt_id, texts=texts))

    def __enter__(self) -> SampleLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._pending):
            self._flush(*key)
        if self._writer is not None:
            self._writer.close()
