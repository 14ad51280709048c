"""The figures on the screen are those of the report, as soon as their pairs are complete."""

from __future__ import annotations

import pytest
from rich.console import Console

from draftlab.cli.live_table import LiveTable
from draftlab.records import Arm
from tests.unit.handmade import BASELINE, CLOSING, CONTROL, DRAFTED, failure, trace


def shown(table: LiveTable, width: int = 80) -> dict[str, list[str]]:
    """The cells of each row, by its name, and those of the header."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table.draw(width))
    rows = [line.replace("plain again", "control") for line in capture.get().splitlines()]
    return {row.split()[0]: row.split()[1:] for row in rows}


@pytest.fixture
def table() -> LiveTable:
    found = LiveTable()
    found.knows([BASELINE, DRAFTED, CONTROL, CLOSING])
    return found


def test_a_pair_counts_whichever_of_its_decodes_comes_first(table: LiveTable) -> None:
    table.add(trace(DRAFTED, "a", drafted=(3, 2), accepted=(2, 0), decode_ns=500_000))
    assert shown(table)["ngram"][1:] == ["1", "8000.0", "–", "0.50", "2.00"]  # its baseline is still to come
    table.add(trace(BASELINE, "a", decode_ns=1_000_000))
    assert shown(table)["ngram"][3] == "2.00x"
    table.add(trace(BASELINE, "b", decode_ns=9_000_000))  # has no twin yet and changes nothing
    assert shown(table)["ngram"][3] == "2.00x"
    assert shown(table)["plain"] == ["2", "800.0"]


def test_the_speed_up_is_a_ratio_of_sums(table: LiveTable) -> None:
    for name, plain, drafted in (("a", 1_000_000, 500_000), ("b", 9_000_000, 1_500_000)):
        table.add(trace(BASELINE, name, decode_ns=plain))
        table.add(trace(DRAFTED, name, decode_ns=drafted))
        table.add(trace(CONTROL, name, decode_ns=plain))
    cells = shown(table)
    assert cells["ngram"][3] == "5.00x"  # 10 over 2; the mean of 2 and 6 would be 4
    assert cells["control"][2] == "1.00x"


def test_a_failed_decode_is_done_and_in_no_figure(table: LiveTable) -> None:
    table.add(trace(BASELINE, "a"))
    table.add(failure(DRAFTED, "a"))
    assert shown(table)["ngram"][1:] == ["1", "–", "–", "–", "–"]


def test_what_belongs_to_no_arm_that_is_shown_is_left_out(table: LiveTable) -> None:
    table.add(trace(CLOSING, "a"))
    assert set(shown(table)) == {"arm", "plain", "ngram", "control"}


def test_a_narrow_screen_keeps_the_speed_up(table: LiveTable) -> None:
    assert shown(table, 24)["arm"] == ["speed-up"]
    assert shown(table, 80)["arm"] == ["done", "tokens/s", "speed-up", "accept", "rate", "tau"]


def test_the_name_of_an_arm_is_text() -> None:
    table = LiveTable()
    table.knows([Arm(id="[red]x\x1b[2J\ny", role="drafted", drafter="x", gamma=1, rule="rejection")])
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(table.draw(80))
    assert "[red]x␛[2J␊y" in capture.get()
