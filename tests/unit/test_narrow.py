"""A table leaves out its least important columns before it is wider than the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text

from draftlab.report.narrow import Column, Row, figures, fitting

COLUMNS = (Column("speed", 8, 2), Column("ratio", 6, 0), Column("tau", 5, 1))


@pytest.mark.parametrize(
    ("width", "left"), [(32, ["speed", "ratio", "tau"]), (31, ["ratio", "tau"]), (22, ["ratio"]), (3, ["ratio"])]
)
def test_columns_go_by_rank(width: int, left: list[str]) -> None:
    assert [column.header for column in fitting(COLUMNS, width)] == left


@pytest.mark.parametrize("width", range(8, 60, 3))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    console = Console(width=width, color_system=None)
    rows = [Row(Text("a name that is much too long for its column"), ["1.0", "2.00x", "3.0"])]
    with console.capture() as capture:
        console.print(figures("arm", COLUMNS, rows, width))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 2
    assert width < 20 or "2.00x" in lines[1]


def test_a_long_name_takes_room_from_no_figure() -> None:
    console = Console(width=40, color_system=None)
    with console.capture() as capture:
        console.print(figures("arm", COLUMNS, [Row(Text("x" * 90), ["1.0", "2.00x", "3.0"])], 40))
    assert capture.get().splitlines()[1].split() == ["x" * 17 + "…", "1.0", "2.00x", "3.0"]
