"""On a real (pseudo-)terminal: colours, narrow widths, and what a hostile suite cannot do."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

CONTROL = re.compile(r"\x1b\[[?]?[0-9;]*[A-Za-z]")
HARMLESS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1?A|[0-9]+A)")  # colour, cursor off and on, erase line, up
TOY = ("--target", "toy", "--ignore-eos", "--max-new-tokens", "24")
HOSTILE = "x\x1b]0;owned\x07\x1b[2J\r\n\u202e[red]"


def on_terminal(folder: Path, *arguments: str, columns: int = 80, **environment: str) -> str:
    """All that `draftlab` writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")}
    variables = clean | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"} | environment
    command = [sys.executable, "-m", "draftlab", *arguments]
    process = subprocess.Popen(command, cwd=folder, env=variables, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux: the other end was closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return shown.decode().replace("\r\n", "\n")


def lines(shown: str) -> list[str]:
    """Every line that was drawn, without the terminal's own language."""
    return [piece.rstrip() for line in shown.split("\n") for piece in CONTROL.sub("", line).split("\r")]


def generate(folder: Path, **options: str) -> str:
    command = ("generate", *TOY, "--drafter", "model:toy:0.2", "--prompt", "abcabc")
    return on_terminal(folder, *command, **options)


def test_a_text_streams_in_the_colours_of_its_origins_and_they_are_explained(tmp_path: Path) -> None:
    shown = generate(tmp_path, COLORTERM="truecolor")
    assert "accepted, 1st of a draft · to 5th · correction · bonus · plain" in lines(shown)
    for red, green, blue in ((0x2B, 0x8F, 0xD0), (0xD5, 0x5E, 0x00)):
        assert shown.count(f"38;2;{red};{green};{blue}m") >= 2  # in the legend and in the text
    assert re.search(r"24 tokens in .* tokens/s\); \d+ rounds, tau \d\.\d\d; ", shown)


def test_no_color_is_honoured(tmp_path: Path) -> None:
    shown = generate(tmp_path, NO_COLOR="1")
    assert "\x1b[" not in shown
    assert "correction" not in shown  # nothing to explain


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of a suite whose every name is an attack, and what the terminal was sent meanwhile."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [{"id": f"{HOSTILE}{i}", "category": HOSTILE, "prompt": f"{HOSTILE}{i}"} for i in range(7)]
    (folder / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder, on_terminal(folder, "bench", *TOY, "--suite", "s.jsonl", "--out", "run", columns=40)


def only_harmless(shown: str) -> bool:
    rest = HARMLESS.sub("", shown)
    return not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)


def test_a_bench_on_forty_columns_shows_its_figures_and_obeys_no_name(hostile_run: tuple[Path, str]) -> None:
    _, shown = hostile_run
    assert only_harmless(shown)
    drawn = [line for line in lines(shown) if not line.startswith("kept in ")]  # to be copied: never wrapped
    assert max(map(len, drawn)) <= 40
    assert any(re.match(r"ngram gamma=5 .*x$", line) for line in lines(shown))  # a live row
    assert any(re.match(r"plain again .*\dx$", line) for line in lines(shown))
    assert "left out for want of width:" in shown


@pytest.mark.parametrize("columns", [20, 40, 80, 130])
def test_reports_fit_whatever_the_width(hostile_run: tuple[Path, str], columns: int) -> None:
    folder, _ = hostile_run
    shown = on_terminal(folder, "report", "run", columns=columns)
    assert only_harmless(shown)
    assert max(map(len, lines(shown))) <= columns
    assert ("accepted at position" in shown) == (columns >= 60)


@pytest.mark.parametrize("columns", [40, 80])
def test_comparisons_fit_too(hostile_run: tuple[Path, str], columns: int) -> None:
    folder, _ = hostile_run
    shown = on_terminal(folder, "compare", "run", "run", columns=columns)
    assert only_harmless(shown)
    assert max(map(len, lines(shown))) <= columns


def test_plots_can_be_left_out_and_need_no_colour(hostile_run: tuple[Path, str]) -> None:
    folder, _ = hostile_run
    assert "accepted at position" not in on_terminal(folder, "report", "run", "--no-plots")
    shown = on_terminal(folder, "report", "run", NO_COLOR="1")
    assert "accepted at position" in shown and not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


def test_a_screen_without_unicode_gets_ascii(hostile_run: tuple[Path, str]) -> None:
    folder, _ = hostile_run
    shown = on_terminal(folder, "report", "run", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert shown.isascii()
    assert "accepted at position" in shown and "###" in shown


def test_a_list_of_runs_obeys_no_suite(hostile_run: tuple[Path, str]) -> None:
    folder, _ = hostile_run
    assert only_harmless(on_terminal(folder, "ls", "runs", "--folder", "."))
