"""One run in one folder: created whole, appended to line by line, readable at any moment."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from draftlab.errors import DraftlabError
from draftlab.records import SCHEMA_VERSION, RunManifest, Trace
from draftlab.store.lock import exclusive

_MANIFEST = "manifest.json"
_TRACES = "traces.jsonl"


class Store:
    """A run that exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, manifest: RunManifest) -> Store:
        """Start a run; the folder appears together with its complete manifest."""
        require_free(folder)
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # Written beside its place and moved there, so that no half manifest is ever seen.
            beside = folder / f".{_MANIFEST}"
            try:
                with beside.open("w", encoding="utf-8") as file:
                    file.write(manifest.model_dump_json(by_alias=True, indent=1))
                    file.flush()
                    os.fsync(file.fileno())
                beside.rename(folder / _MANIFEST)
            except OSError:
                beside.unlink(missing_ok=True)  # an empty folder can be tried again
                raise
        return cls(folder)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """A run that was started before."""
        if not (folder / _MANIFEST).is_file():
            raise DraftlabError(f"{folder} is no run folder: it has no {_MANIFEST}", "`draftlab ls runs` lists runs.")
        return cls(folder)

    def manifest(self) -> RunManifest:
        path = self.folder / _MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("schema") != SCHEMA_VERSION:
                raise DraftlabError(
                    f"{path} has record format {content.get('schema')!r}, this draftlab reads {SCHEMA_VERSION}",
                    "Use the version of draftlab that made the run.",
                )
            return RunManifest.model_validate(content)
        except (OSError, ValueError, AttributeError) as error:
            raise DraftlabError(
                f"{path} cannot be read: {_first_line(error)}", "Was it edited or cut short?"
            ) from error

    def traces(self) -> Iterator[Trace]:
        """Every complete trace, in the order of writing; a last line that was cut short does not count."""
        path = self.folder / _TRACES
        if not path.exists():
            return
        with path.open("rb") as file:  # as bytes: a killed process may have cut a line inside a character
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield Trace.model_validate_json(line)
                except ValidationError as error:
                    raise DraftlabError(f"{path}, line {number} is no trace: {_first_line(error)}") from error

    @contextmanager
    def writer(self) -> Iterator[TraceWriter]:
        """The right to add traces; one process has it at a time."""
        with explained(self.folder), exclusive(self.folder / ".lock"), (self.folder / _TRACES).open("a+b") as file:
            _drop_torn_line(file)
            yield TraceWriter(file, self.folder)


class TraceWriter:
    """Adds traces, each on disk before the next begins."""

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._file = file
        self._folder = folder

    def append(self, trace: Trace) -> None:
        with explained(self._folder):
            self._file.write(trace.model_dump_json(exclude_defaults=True).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


def require_free(folder: Path) -> None:
    """Raise if a run already stands in `folder`."""
    if (folder / _MANIFEST).exists():
        raise DraftlabError(
            f"there is already a run in {folder}", "Pass --resume to finish it, or another folder with --out."
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DraftlabError(f"{folder} exists and is no empty folder", "Choose another folder with --out.")


def list_runs(parent: Path) -> list[Store]:
    """The runs directly inside `parent`, oldest first."""
    folders = sorted(parent.iterdir()) if parent.is_dir() else []
    return [Store(folder) for folder in folders if (folder / _MANIFEST).is_file()]


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say in one line what the file system refused; what was written stays."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DraftlabError(
                f"no space left to write to {folder}; all complete traces are kept",
                "Free some space, then pass --resume.",
            ) from error
        raise DraftlabError(
            f"cannot write to {folder}: {error.strerror}", "Choose another folder with --out."
        ) from error


def _drop_torn_line(file: IO[bytes]) -> None:
    """Cut off a last line without its end, as a killed process leaves it."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0]
