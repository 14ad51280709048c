"""One plot with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Plot:
    """A figure, what to see in it, and the numbers that it shows: rows as wide as `columns`."""

    name: str
    """A file's name, and an id within a page."""
    title: str
    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    figure: Figure
