"""Tables of figures that leave out columns where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

_NAME_WIDTH = 10
_GAP = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column of figures."""

    header: str
    width: int
    rank: int
    """Columns of high rank are left out first; rank 0 stays whatever happens."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a row is of, and a cell for each column."""

    name: Text
    cells: Sequence[Text | str]
    style: str = ""


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit beside one another, and beside a name, into `width`, in their order."""
    kept = list(columns)
    while _NAME_WIDTH + sum(_GAP + column.width for column in kept) > width:
        least = max(kept, key=lambda column: column.rank)
        if least.rank == 0:
            break
        kept.remove(least)
    return kept


def figures(first: str, columns: Sequence[Column], rows: Sequence[Row], width: int) -> Table:
    """A table in `width` columns of a terminal: a name, cut where it is too long, then figures in line."""
    shown = fitting(columns, width)
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, _GAP, 0, 0))
    room = max(_NAME_WIDTH, width - sum(_GAP + column.width for column in shown))
    table.add_column(first, no_wrap=True, overflow="ellipsis", min_width=min(_NAME_WIDTH, width), max_width=room)
    for column in shown:
        table.add_column(column.header, justify="right", no_wrap=True, min_width=column.width)
    for row in rows:
        cells = [cell for column, cell in zip(columns, row.cells, strict=True) if column in shown]
        table.add_row(row.name, *cells, style=row.style)
    return table
