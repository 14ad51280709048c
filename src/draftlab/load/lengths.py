"""Several draft lengths under load: a measurement for each, and the best length at every number of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from draftlab.errors import DraftlabError
from draftlab.load.measure import Band, LoadReport, bands, measure_load
from draftlab.load.records import LoadSettings
from draftlab.load.run import holds_load, read_load
from draftlab.stats import Estimate

_PREFIX = "gamma-"


class BestLength(BaseModel):
    """What pays most with so many users."""

    users: int
    gamma: int
    """0: plain serving, since no length pays."""
    ratio: Estimate
    """Of the length that came furthest, throughput over that of its own plain server."""
    rivals: list[int]
    """Other lengths whose interval reaches as far."""


class LengthsReport(BaseModel):
    """All measurements, by draft length, and what they come to."""

    schema_version: int = 1
    lengths: dict[int, LoadReport]
    best: list[BestLength]
    per_batch_size: list[Band]

    @property
    def has_failures(self) -> bool:
        """Whether any request failed."""
        return any(report.has_failures for report in self.lengths.values())


def folder_of(folder: Path, gamma: Any, gammas: Sequence[Any]) -> Path:
    """Where the measurement of one of `gammas` is: each in a folder of its own where there are several."""
    return folder if len(gammas) == 1 else folder / f"{_PREFIX}{gamma}"


def is_load(folder: Path) -> bool:
    """Whether measurements under load are there."""
    return bool(_folders(folder))


def measure_lengths(folder: Path) -> tuple[LengthsReport, LoadSettings]:
    """Every measurement in `folder`, with the settings of the first."""
    folders = _folders(folder)
    if not folders:
        raise DraftlabError(f"there is no measurement under load in {folder}", "Is the path right?")
    read = [read_load(each) for each in folders]
    reports = {_gamma(settings): measure_load(settings, blocks, _gamma(settings)) for settings, blocks in read}
    best = _best(reports)
    table = [(each.users, each.gamma) for each in best]
    per_batch_size = bands(table) if set(reports) != {0} else []
    return LengthsReport(lengths=reports, best=best, per_batch_size=per_batch_size), read[0][0]


def _folders(folder: Path) -> list[Path]:
    if holds_load(folder):
        return [folder]
    found = [path for path in folder.glob(f"{_PREFIX}*") if holds_load(path)]
    return sorted(found, key=lambda path: (len(path.name), path.name))


def _gamma(settings: LoadSettings) -> int:
    """Of a server that was not started by draftlab it is not known, and 0."""
    asked = settings.experiment
    gamma = (asked.get("gammas") or [5])[0]
    return gamma if asked.get("engine") != "endpoint" and isinstance(gamma, int) else 0


def _best(reports: Mapping[int, LoadReport]) -> list[BestLength]:
    found = []
    levels = {gamma: {level.users: level.ratio for level in report.levels} for gamma, report in reports.items()}
    for users in sorted({users for ratios in levels.values() for users in ratios}):
        ratios = {gamma: mine[users] for gamma, mine in levels.items() if users in mine}
        known = {gamma: ratio for gamma, ratio in ratios.items() if ratio.value is not None}
        if not known:
            continue
        top = max(known, key=lambda gamma: known[gamma].value or 0.0)
        reached = known[top].value or 0.0
        rivals = [gamma for gamma, ratio in known.items() if gamma != top and (ratio.high or 0.0) >= reached]
        found.append(BestLength(users=users, gamma=top if reached >= 1 else 0, ratio=known[top], rivals=rivals))
    return found
