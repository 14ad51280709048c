"""Which columns of a table a narrow terminal has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table in the terminal."""

    header: str
    width: int
    rank: int
    """Columns of high rank are dropped first; rank 0 stays whatever happens."""


def fitting(columns: Sequence[Column], width: int, gap: int = 1) -> list[Column]:
    """The columns that fit beside one another into `width`, in their order."""
    kept = list(columns)
    while sum(column.width + gap for column in kept) > width:
        least = max(kept, key=lambda column: column.rank)
        if least.rank == 0:
            break
        kept.remove(least)
    return kept
