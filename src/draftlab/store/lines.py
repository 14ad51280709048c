"""Files of one JSON record a line, to which lines are only ever added."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from draftlab.errors import DraftlabError
from draftlab.store.failures import explained, first_line

Record = TypeVar("Record", bound=BaseModel)


def read_lines(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Every complete record, in the order of writing; a last line that was cut short does not count."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    except OSError as error:
        raise DraftlabError(f"cannot read {path}: {error.strerror}") from error
    with file:  # as bytes: a killed process may have cut a line inside a character
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield kind.model_validate_json(line)
            except ValidationError as error:
                name = kind.__name__.lower()
                raise DraftlabError(f"{path}, line {number} is no {name}: {first_line(error)}") from error


class LineWriter:
    """Adds records, each on disk before the next begins; what a killed process left half written is cut off."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("a+b")
        self._file.seek(0)
        content = self._file.read()
        self._file.truncate(content.rfind(b"\n") + 1)

    def append(self, record: BaseModel) -> None:
        """Write `record` without the fields that have their default."""
        with explained(self._path.parent):
            self._file.write(record.model_dump_json(exclude_defaults=True).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
