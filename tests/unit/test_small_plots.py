"""Plots of characters show the figures that they are made of."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from draftlab.metrics import accepted_lengths, empty_rounds
from draftlab.report.measure import measure
from draftlab.report.small_plots import bar, print_plots
from draftlab.store import Store
from tests.unit.handmade import BASELINE, CONTROL, DRAFTED, failure, manifest, prompt, trace

EIGHTHS = " ▏▎▍▌▋▊▉█"


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0.0, ""), (1.0, "████"), (0.5, "██"), (0.53125, "██▏"), (0.21875, "▉"), (2.0, "████"), (-1.0, "")],
)
def test_a_bar_is_exact_to_an_eighth_of_a_cell(share: float, drawn: str) -> None:
    assert bar(share, 4, EIGHTHS) == drawn


def test_a_bar_of_ascii_has_whole_cells_only() -> None:
    assert [bar(share, 4, " #") for share in (0.0, 0.3, 0.5, 1.0)] == ["", "#", "##", "####"]


def test_lengths_are_of_rounds_that_drafted_in_decodes_that_succeeded() -> None:
    traces = [trace(DRAFTED, "a", drafted=(3, 0, 2, 3), accepted=(3, 0, 0, 0)), failure(DRAFTED, "b")]
    assert accepted_lengths(traces) == [2, 0, 0, 1]
    assert empty_rounds(traces) == 1
    assert accepted_lengths([]) == []


def plots(tmp_path: Path, width: int = 80, encoding: str = "utf-8") -> str:
    """What is printed of a run of seven prompts in which drafting doubles the speed."""
    prompts = tuple(prompt(f"p{i}", "code\x1b[2J") for i in range(7))
    store = Store.create(tmp_path / "run", manifest(arms=(BASELINE, DRAFTED, CONTROL), prompts=prompts))
    with store.writer() as writer:
        for i in range(7):
            writer.traces.append(trace(BASELINE, f"p{i}", decode_ns=1_000_000 + i))
            writer.traces.append(trace(CONTROL, f"p{i}", decode_ns=1_000_000 + 9_000 * i))
            drafted = trace(DRAFTED, f"p{i}", drafted=(2, 2), accepted=(2, 0), decode_ns=500_000 + 10_000 * i)
            writer.traces.append(drafted)
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    screen = Console(file=file, width=width, color_system=None)
    print_plots(screen, measure(store), store.manifest(), list(store.traces()))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_the_plots_of_a_run(tmp_path: Path) -> None:
    lines = plots(tmp_path).splitlines()
    assert lines[0] == "drafter ngram, gamma 5, rule rejection"
    assert lines[2].split() == ["1", "█" * 13, "0.50", "0", "█" * 13, "50", "%"]
    assert lines[3].split()[0] == "2"
    strip = next(line for line in lines if line.startswith("all (7)"))
    assert strip.count("●") == 1 and strip.index("├") < strip.index("●") < strip.index("┤")
    assert strip.index("│") < strip.index("├")  # no gain lies to the left of the interval
    assert strip.endswith(" 1.89x")


@pytest.mark.parametrize("width", [36, 40, 60, 61, 100, 300])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    lines = plots(tmp_path, width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("●" in line for line in lines) and any("█" in line for line in lines)


def test_where_there_is_no_room_nothing_is_drawn(tmp_path: Path) -> None:
    assert plots(tmp_path, 35) == ""


def test_where_only_ascii_can_be_written_ascii_is(tmp_path: Path) -> None:
    shown = plots(tmp_path, encoding="ascii")
    assert "#############" in shown and "[" in shown and "o" in shown


def test_a_category_is_harmless(tmp_path: Path) -> None:
    assert "\x1b" not in plots(tmp_path)
