"""A grid that is run: every cell once, whatever is asked for again, damaged, or run by two."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.grid.cells import Cell, cells_of
from draftlab.grid.folder import SweepFolder
from draftlab.grid.measure import measure_grid
from draftlab.grid.spec import Grid, make_grid
from draftlab.sweep.cell import files_of_cell, make_cell, run_cell
from draftlab.sweep.outcome import Listener, Outcome
from draftlab.sweep.run import run_sweep
from tests.unit.grids import SMALL, Outcomes, here


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return run_sweep(make_grid(SMALL), tmp_path_factory.mktemp("grid") / "sweep", here)


def test_a_sweep_has_every_cell_once_and_each_is_a_run(swept: SweepFolder) -> None:
    cells = swept.record().cells
    assert sorted(path.name for path in (swept.folder / "cells").iterdir()) == sorted(cell.key for cell in cells)
    runs = [swept.run(cell) for cell in cells]
    assert all(run is not None and len(run.manifest.prompts) == 6 for run in runs)
    assert not (swept.folder / "work").exists()


def test_what_is_there_is_not_run_again(swept: SweepFolder) -> None:
    class Counter(Listener):
        def planned(self, num_cells: int, num_done: int) -> None:
            self.seen = (num_cells, num_done)

    def nobody(*_: Any) -> Outcomes:
        raise AssertionError("no cell is missing")

    listener = Counter()
    run_sweep(make_grid(SMALL), swept.folder, nobody, resume=True, listener=listener)
    assert listener.seen == (4, 4)


def test_a_sweep_goes_on_where_its_grid_has_grown(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    run_sweep(make_grid({**SMALL, "suites": ["code"]}), folder, here)
    begun: list[str] = []

    class Names(Listener):
        def begins(self, cell: Cell, where: str) -> None:
            begun.append(cell.suite)

    sweep = run_sweep(make_grid(SMALL), folder, here, resume=True, listener=Names())
    assert begun == ["prose", "prose"]
    assert measure_grid(sweep).num_done == 4


def test_a_folder_that_is_full_is_not_written_to(swept: SweepFolder, tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="there is already a sweep") as caught:
        run_sweep(make_grid(SMALL), swept.folder, here)
    assert "--resume" in str(caught.value.hint)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DraftlabError, match="full folder"):
        run_sweep(make_grid(SMALL), tmp_path, here)


def test_one_process_drives_a_sweep(swept: SweepFolder) -> None:
    with swept.driven(), pytest.raises(DraftlabError, match="another process"):
        run_sweep(make_grid(SMALL), swept.folder, here, resume=True)


def test_who_may_not_drive_a_sweep_changes_nothing(swept: SweepFolder) -> None:
    before = swept.record()
    with swept.driven(), pytest.raises(DraftlabError, match="another process"):
        run_sweep(make_grid({**SMALL, "limit": 3}), swept.folder, here, resume=True)
    assert swept.record() == before


def test_there_has_to_be_a_sweep_to_resume_one(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DraftlabError, match="there is no sweep in"):
            run_sweep(make_grid(SMALL), folder, here, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_cell_of_other_code_is_run_again_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]})
    run_sweep(grid, tmp_path / "sweep", here)
    monkeypatch.setattr("draftlab.grid.cells.code_hash", lambda: "other code")
    said: list[str] = []

    class Hears(Listener):
        def noticed(self, text: str) -> None:
            said.append(text)

    sweep = run_sweep(grid, tmp_path / "sweep", here, resume=True, listener=Hears())
    assert said == ["made with other code, prompts or models, and run again: 1 complete cells"]
    assert len(list((sweep.folder / "cells").iterdir())) == 2


def test_what_runs_has_to_be_what_the_key_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is changed while a sweep runs, or another one on another machine."""
    (cell,) = cells_of(make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]}))
    monkeypatch.setattr("draftlab.grid.cells.code_hash", lambda: "other code")
    told = files_of_cell(cell)
    assert isinstance(told, str)
    assert "models are not those that the sweep was started with. Pass --resume" in told


def test_a_run_of_something_else_is_no_cell(tmp_path: Path) -> None:
    sweep = run_sweep(make_grid({**SMALL, "suites": ["code"]}), tmp_path / "sweep", here)
    one, other = sweep.record().cells
    shutil.rmtree(sweep.cell(one.key))
    shutil.copytree(sweep.cell(other.key), sweep.cell(one.key))
    assert sweep.run(one) is None and sweep.run(other) is not None


def test_two_that_make_one_cell_make_it_once(tmp_path: Path) -> None:
    """A job that went on after its driver was killed, and the one that the next driver submits."""
    grid = make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]})
    sweep = SweepFolder.prepare(tmp_path / "sweep", resume=False)
    (cell,) = cells_of(grid)
    sweep.write(grid, [cell], ())
    jobs = [threading.Thread(target=make_cell, args=(cell, sweep)) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    run = sweep.run(cell)
    assert run is not None and len({trace.key for trace in run.traces}) == len(run.traces)


def test_what_was_begun_elsewhere_is_begun_anew_and_what_was_begun_here_goes_on(tmp_path: Path) -> None:
    (cell,) = cells_of(make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]}))
    folder = tmp_path / "run"
    run_cell(cell, folder)
    whole = (folder / "traces.jsonl").read_bytes()
    some = whole[: whole.index(b"\n", len(whole) // 2) + 1]
    (folder / "traces.jsonl").write_bytes(some)
    run_cell(cell, folder)
    assert (folder / "traces.jsonl").read_bytes().startswith(some)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["environment"]["cpu"] = "another processor"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "traces.jsonl").write_bytes(some)
    run_cell(cell, folder)
    assert not (folder / "traces.jsonl").read_bytes().startswith(some)


def test_an_error_of_the_moment_throws_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cell,) = cells_of(make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]}))
    run_cell(cell, tmp_path / "run")

    def full(*_: Any, **__: Any) -> None:
        raise DraftlabError("no space left")

    monkeypatch.setattr("draftlab.api.run", full)
    with pytest.raises(DraftlabError, match="no space left"):
        run_cell(cell, tmp_path / "run")
    assert (tmp_path / "run" / "traces.jsonl").stat().st_size > 0


@pytest.mark.parametrize("harm", ["cut", "nonsense", "no manifest"])
def test_a_damaged_cell_is_set_aside_and_done_again(tmp_path: Path, harm: str) -> None:
    grid = make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]})
    sweep = run_sweep(grid, tmp_path / "sweep", here)
    (cell,) = sweep.record().cells
    traces = sweep.cell(cell.key) / "traces.jsonl"
    good = measure_grid(sweep).acceptance
    if harm == "cut":
        traces.write_bytes(traces.read_bytes()[:-200])
    elif harm == "nonsense":
        traces.write_bytes(b"{}\n" + traces.read_bytes())
    else:
        (sweep.cell(cell.key) / "manifest.json").unlink()
    assert measure_grid(sweep).num_done == 0
    run_sweep(grid, sweep.folder, here, resume=True)
    assert measure_grid(sweep).acceptance == good
    assert len(list((sweep.folder / "damaged").iterdir())) == 1


def test_a_cell_that_fails_is_on_record_and_the_others_go_on(tmp_path: Path) -> None:
    def second_fails(cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Outcomes:
        for number, cell in enumerate(cells):
            yield Outcome(cell, "no room for it") if number == 1 else next(iter(here([cell], sweep, listener)))

    sweep = run_sweep(make_grid(SMALL), tmp_path / "sweep", second_fails)
    report = measure_grid(sweep)
    assert (report.num_done, report.has_failures) == (3, True)
    assert [cell.error for cell in report.missing] == ["no room for it"]
    run_sweep(make_grid(SMALL), sweep.folder, here, resume=True)
    assert not measure_grid(sweep).has_failures
    assert not sweep.failures()


def test_a_run_that_is_not_whole_is_no_cell(tmp_path: Path) -> None:
    def half(cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Outcomes:
        for cell, outcome in zip(cells, here(cells, sweep, listener), strict=True):
            traces = sweep.cell(cell.key) / "traces.jsonl"
            files = {path.name: path.read_bytes() for path in traces.parent.iterdir()}
            files["traces.jsonl"] = files["traces.jsonl"][:300]
            sweep.set_damaged_aside(cell.key)
            yield Outcome(outcome.cell, files=files)

    report = measure_grid(run_sweep(make_grid({**SMALL, "suites": ["code"]}), tmp_path / "sweep", half))
    assert report.num_done == 0
    assert {cell.error for cell in report.missing} == {"it ended, and its run is not complete"}


def test_a_grid_survives_its_record(swept: SweepFolder) -> None:
    assert SweepFolder(swept.folder).record().grid == make_grid(SMALL)
    assert isinstance(swept.record().grid, Grid)
