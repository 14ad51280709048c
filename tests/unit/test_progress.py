"""What is on the screen while a bench runs takes nothing from what is timed."""

from __future__ import annotations

import threading
from pathlib import Path
from time import sleep

import pytest

from draftlab.bench.recorder import Recording
from draftlab.bench.run import run_bench
from draftlab.cli.progress import Progress
from tests.unit.handmade import BASELINE, DRAFTED, bench, trace


@pytest.fixture(params=[30, 40, 80, 120])
def on_a_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is taken for a terminal of so many columns."""
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": str(request.param), "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("draftlab.cli.progress._PAUSE_S", 0.0)


@pytest.mark.usefixtures("on_a_terminal")
def test_no_thread_runs_and_nothing_is_drawn_during_a_decode(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    threads, drawn = [], []

    def decode(prompt: object, room: int, seed: int) -> Recording:
        before = capsys.readouterr().err
        sleep(0.15)  # a bar that draws itself does so ten times a second
        threads.append(threading.active_count())
        drawn.append((before, capsys.readouterr().err))
        return Recording((1, 2), decode_ns=1)

    alone = threading.active_count()
    with Progress() as progress:
        run_bench(bench(decode=decode), tmp_path / "run", observer=progress)
    assert set(threads) == {alone}
    assert [during for _, during in drawn] == [""] * len(drawn)
    assert sum("p1" in before for before, _ in drawn) == 2  # between decodes there is a drawing each


@pytest.mark.usefixtures("on_a_terminal")
def test_the_screen_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.planned(2, 0)
        progress.knows([BASELINE, DRAFTED], [trace(BASELINE, "a")])
        progress.draw()
        assert "plain" in capsys.readouterr().err
    last = capsys.readouterr().err
    assert "\x1b[2K" in last and "\x1b[?25h" in last  # lines are erased, and the cursor is back


def test_in_a_pipe_there_are_lines_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with Progress() as progress:
        run_bench(bench(), tmp_path / "run", observer=progress)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == ["4 decodes; warming up", *(f"{n}/4 decodes" for n in range(1, 5))]
