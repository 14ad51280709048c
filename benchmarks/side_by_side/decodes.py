"""What was measured, on disk: one line a decode, and one a session with the machine and the software."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from draftlab.errors import DraftlabError
from draftlab.store.lines import LineWriter, read_lines

Key = tuple[str, str, int]
"""Arm, prompt and repetition."""


class Conditions(BaseModel):
    """What has to be the same for every decode of a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    drafter: str
    dtype: str
    max_new_tokens: int
    threads: int
    machine: str


class Decode(BaseModel):
    """One decode: ids in, ids out, prefill included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: str
    prompt_id: str
    suite: str
    repetition: int
    prompt_tokens: int
    seconds: float
    started: float
    """Seconds since 1970."""
    tokens: tuple[int, ...]

    @property
    def key(self) -> Key:
        return (self.arm, self.prompt_id, self.repetition)


class Session(BaseModel):
    """One start of the program on a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    started: float
    arms: tuple[str, ...]
    environment: Mapping[str, Any]
    loaded: Mapping[str, Any]
    """By family, what was loaded and in which form."""


@dataclass(frozen=True)
class Folder:
    """Where the decodes are."""

    path: Path

    @classmethod
    def open(cls, path: Path, conditions: Conditions) -> Folder:
        """Begin it, or go on where the conditions are the same."""
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        file = path / "conditions.json"
        if not file.exists():
            file.write_text(json.dumps(conditions.model_dump(), indent=1) + "\n", encoding="utf-8")
        before = folder.conditions().model_dump()
        for name, value in conditions.model_dump().items():
            if before[name] != value:
                raise DraftlabError(
                    f"{path} was measured with {name} = {before[name]}, not {value}",
                    "Choose another folder with --out.",
                )
        return folder

    def conditions(self) -> Conditions:
        try:
            return Conditions.model_validate_json((self.path / "conditions.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise DraftlabError(f"{self.path} holds no measurements: {error.strerror}") from error
        except ValueError as error:
            raise DraftlabError(f"{self.path}/conditions.json cannot be read") from error

    def decodes(self) -> Iterator[Decode]:
        return read_lines(self.path / "decodes.jsonl", Decode)

    def sessions(self) -> Iterator[Session]:
        return read_lines(self.path / "sessions.jsonl", Session)

    def decode_writer(self) -> LineWriter:
        return LineWriter(self.path / "decodes.jsonl")

    def add_session(self, session: Session) -> None:
        writer = LineWriter(self.path / "sessions.jsonl")
        writer.append(session)
        writer.close()
