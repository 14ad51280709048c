"""A sweep on disk. A cell is an ordinary run; it appears in `cells/` whole, by one rename, or not at all.

sweep.json          the grid and its cells
cells/KEY/          runs that are complete
work/KEY/           runs that were begun, with what their process said in work/KEY.log
failed/KEY.json     why a cell could not be run
damaged/            what stood in cells/ and could not be read
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell
from draftlab.grid.spec import Grid
from draftlab.report.measure import is_complete
from draftlab.report.reading import Run
from draftlab.store import Store
from draftlab.store.failures import explained, first_line
from draftlab.store.lock import exclusive

_SWEEP = "sweep.json"
SCHEMA = 1


class SweepRecord(BaseModel):
    """What was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: int = Field(default=SCHEMA, alias="schema")
    created: str
    command: tuple[str, ...]
    grid: Grid
    cells: tuple[Cell, ...]


class Failure(BaseModel):
    """A cell that could not be run."""

    key: str
    error: str
    when: str


class SweepFolder:
    """A sweep that exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def is_one(cls, folder: Path) -> bool:
        """Whether a sweep stands there."""
        return (folder / _SWEEP).is_file()

    @classmethod
    def prepare(cls, folder: Path, *, resume: bool) -> Self:
        """A place for a new sweep, or that of one that goes on. Nothing of a sweep is changed yet."""
        if resume and not cls.is_one(folder):
            raise DraftlabError(f"there is no sweep in {folder} to be resumed", "Is --out right?")
        if not resume and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            what = "there is already a sweep in" if cls.is_one(folder) else "a sweep cannot be put into the full folder"
            raise DraftlabError(f"{what} {folder}", "Pass --resume to finish it, or another folder with --out.")
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def write(self, grid: Grid, cells: Iterable[Cell], command: Iterable[str]) -> int:
        """Put on record what is asked for; only who drives the sweep may.

        Returns how many complete cells of the sweep are asked for again under another key: they were made with other
        code, prompts or models.
        """
        cells = tuple(cells)
        before = self.record().cells if self.is_one(self.folder) else ()
        asked = {cell.title: cell for cell in cells}
        record = SweepRecord(created=now(), command=tuple(command), grid=grid, cells=cells)
        with explained(self.folder):
            for name in ("cells", "work", "failed"):
                (self.folder / name).mkdir(exist_ok=True)
            _write(self.folder / _SWEEP, record.model_dump_json(by_alias=True, indent=1))
        again = [cell for cell in before if _differs(cell, asked.get(cell.title))]
        return sum(self.cell(cell.key).is_dir() for cell in again)

    def record(self) -> SweepRecord:
        """The grid and its cells."""
        path = self.folder / _SWEEP
        try:
            return SweepRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DraftlabError(f"there is no sweep in {self.folder}", "Is the path right?") from error
        except ValidationError as error:
            raise DraftlabError(f"{path} cannot be read: {first_line(error)}", "Was it edited?") from error

    @contextmanager
    def driven(self) -> Iterator[None]:
        """The right to run its cells; one process has it at a time."""
        with ExitStack() as held:
            with explained(self.folder):
                held.enter_context(exclusive(self.folder / ".lock"))
            yield

    def cell(self, key: str) -> Path:
        """Where a complete cell is."""
        return self.folder / "cells" / key

    def work(self, key: str) -> Path:
        """Where one is made."""
        return self.folder / "work" / key

    def lock(self, key: str) -> Path:
        """Held by who makes it."""
        return self.folder / "work" / f"{key}.lock"

    def log(self, key: str) -> Path:
        """What the process that made it said."""
        return self.folder / "work" / f"{key}.log"

    def run(self, cell: Cell) -> Run | None:
        """A complete cell, read; None where it is not there, cannot be read, or is the run of something else."""
        try:
            run = Run.read(Store.open(self.cell(cell.key)))
        except DraftlabError:
            return None
        return run if is_complete(run) and run.manifest.experiment == cell.experiment else None

    def set_damaged_aside(self, key: str) -> None:
        """Keep what stands in a cell's place and is no cell; it is done again."""
        if self.cell(key).exists():
            aside = self.folder / "damaged"
            aside.mkdir(exist_ok=True)
            number = sum(1 for _ in aside.glob(f"{key}*"))
            self.cell(key).rename(aside / f"{key}-{number}")

    def keep(self, key: str, made: Path) -> None:
        """Put a complete run into its place; who comes second with the same cell is dropped."""
        with explained(self.folder):
            try:
                made.rename(self.cell(key))
            except OSError:
                if not self.cell(key).is_dir():
                    raise
                shutil.rmtree(made, ignore_errors=True)
            (self.folder / "failed" / f"{key}.json").unlink(missing_ok=True)

    def keep_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """The same for a run that was made on another machine."""
        made = self.work(key)
        with explained(self.folder):
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            for name, content in files.items():
                (made / Path(name).name).write_bytes(content)
        self.keep(key, made)

    def note_failure(self, key: str, error: str) -> None:
        """Why a cell could not be run; it is tried again when the sweep is resumed."""
        with explained(self.folder):
            _write(self.folder / "failed" / f"{key}.json", Failure(key=key, error=error, when=now()).model_dump_json())

    def failures(self) -> dict[str, Failure]:
        """Those that could not be run, by key."""
        found = {}
        for path in sorted((self.folder / "failed").glob("*.json")):
            with suppress(OSError, ValidationError):
                failure = Failure.model_validate_json(path.read_text(encoding="utf-8"))
                found[failure.key] = failure
        return found


def _differs(cell: Cell, asked: Cell | None) -> bool:
    """The same experiment under another key."""
    return asked is not None and asked.experiment == cell.experiment and asked.key != cell.key


def now() -> str:
    """The time, for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)
