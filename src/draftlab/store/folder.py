"""One run in one folder: created whole, appended to line by line, readable at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from draftlab.errors import DraftlabError
from draftlab.records import (
    READABLE_VERSIONS,
    Detail,
    Divergence,
    MachineSample,
    Phases,
    Replay,
    RunManifest,
    TokenBytes,
    Trace,
)
from draftlab.store.failures import explained, first_line
from draftlab.store.lines import LineWriter, read_lines
from draftlab.store.lock import exclusive

_MANIFEST = "manifest.json"
_TRACES = "traces.jsonl"
_DIVERGENCES = "divergences.jsonl"
_MACHINE = "machine.jsonl"
_PHASES = "phases.jsonl"
_DETAILS = "details.jsonl"
_TOKENS = "tokens.jsonl"
_REPLAY = "replay.jsonl"


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
    def open(cls, folder: Path) -> Self:
        """A run that was started before."""
        if not (folder / _MANIFEST).is_file():
            raise DraftlabError(f"{folder} is no run folder: it has no {_MANIFEST}", "`draftlab ls runs` lists runs.")
        return cls(folder)

    def manifest(self) -> RunManifest:
        path = self.folder / _MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("schema") not in READABLE_VERSIONS:
                raise DraftlabError(
                    f"{path} has record format {content.get('schema')!r}, this draftlab reads {_versions()}",
                    "Use the version of draftlab that made the run.",
                )
            return RunManifest.model_validate(content)
        except (OSError, ValueError, AttributeError) as error:
            raise DraftlabError(f"{path} cannot be read: {first_line(error)}", "Was it edited or cut short?") from error

    def traces(self) -> Iterator[Trace]:
        """Every complete trace, in the order of writing; a last line that was cut short does not count."""
        return read_lines(self.folder / _TRACES, Trace)

    def divergences(self) -> Iterator[Divergence]:
        """Every divergence that was examined."""
        return read_lines(self.folder / _DIVERGENCES, Divergence)

    def samples(self) -> Iterator[MachineSample]:
        """What the machine was found to be doing, at the beginning and the end of each process."""
        return read_lines(self.folder / _MACHINE, MachineSample)

    def phases(self) -> Iterator[Phases]:
        """The times within rounds, of the decodes that were watched for them."""
        return read_lines(self.folder / _PHASES, Phases)

    def details(self) -> Iterator[Detail]:
        """The decodes that were recorded token by token."""
        return read_lines(self.folder / _DETAILS, Detail)

    def token_bytes(self) -> Iterator[TokenBytes]:
        """What each token of the details adds to a text."""
        return read_lines(self.folder / _TOKENS, TokenBytes)

    def replays(self) -> Iterator[Replay]:
        """What `draftlab tune` has replayed along plain texts."""
        return read_lines(self.folder / _REPLAY, Replay)

    @contextmanager
    def writer(self) -> Iterator[RunWriter]:
        """The right to add to the run; one process has it at a time."""
        with explained(self.folder), exclusive(self.folder / ".lock"):
            names = (_TRACES, _DIVERGENCES, _MACHINE, _PHASES, _DETAILS, _TOKENS, _REPLAY)
            with ExitStack() as files:
                yield RunWriter(*(files.enter_context(closing(LineWriter(self.folder / name))) for name in names))


@dataclass(frozen=True, slots=True)
class RunWriter:
    """Adds to a run."""

    traces: LineWriter
    divergences: LineWriter
    machine: LineWriter
    phases: LineWriter
    details: LineWriter
    token_bytes: LineWriter
    replays: LineWriter


def _versions() -> str:
    return f"{READABLE_VERSIONS[0]} to {READABLE_VERSIONS[-1]}"


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
