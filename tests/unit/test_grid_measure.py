"""What a grid comes to: pooled acceptance, seconds by machine, faults, tables and a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from draftlab.grid.cells import Cell, cells_of
from draftlab.grid.folder import SweepFolder
from draftlab.grid.maps import heat_maps
from draftlab.grid.measure import ALL, GridReport, measure_grid
from draftlab.grid.page import grid_page, grid_verdict
from draftlab.grid.spec import make_grid
from draftlab.grid.terminal import notes, print_grid
from draftlab.metrics import count
from draftlab.records import Divergence
from draftlab.sweep.outcome import Listener
from draftlab.sweep.run import run_sweep
from tests.unit.grids import SMALL, Outcomes, here


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return run_sweep(make_grid(SMALL), tmp_path_factory.mktemp("grid") / "sweep", here)


@pytest.fixture
def shown() -> Callable[[GridReport, int], str]:
    def show(report: GridReport, width: int) -> str:
        out = StringIO()
        print_grid(report, Console(file=out, width=width, highlight=False))
        return out.getvalue()

    return show


def changed(sweep: SweepFolder, cell: Cell, change: Callable[[dict[str, Any]], None]) -> None:
    """Every trace of a cell, changed."""
    path = sweep.cell(cell.key) / "traces.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_failed_decodes_are_named_and_end_with_a_fault(tmp_path: Path, shown: Callable[[GridReport, int], str]) -> None:
    sweep = run_sweep(make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]}), tmp_path / "sweep", here)
    (cell,) = sweep.record().cells

    first = json.loads((sweep.cell(cell.key) / "traces.jsonl").read_text().splitlines()[0])["prompt_id"]

    def fail_first(row: dict[str, Any]) -> None:
        if row["arm"] == "none" and row["prompt_id"] == first:
            row.update(status="failed", error="out of memory")

    changed(sweep, cell, fail_first)
    report = measure_grid(sweep)
    assert {speed.num_failed for speed in report.speeds} == {1}
    assert report.has_failures
    assert "failed decodes, in no figure: 1 of toy, ngram, gamma 1" in shown(report, 200)


def test_a_cell_of_which_an_arm_never_decoded_has_failed(tmp_path: Path) -> None:
    def breaks(cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Outcomes:
        for outcome in here(cells, sweep, listener):
            changed(
                sweep,
                outcome.cell,
                lambda row: row.update(status="failed", error="no such kernel") if "=3" in row["arm"] else None,
            )
            yield outcome

    report = measure_grid(run_sweep(make_grid({**SMALL, "suites": ["code"]}), tmp_path / "sweep", breaks))
    assert {cell.error for cell in report.missing} == {
        "every decode of ngram gamma=3 failed: no such kernel",
        "every decode of model:toy:0.3 gamma=3 failed: no such kernel",
    }


def test_texts_that_really_differ_are_a_fault(tmp_path: Path, shown: Callable[[GridReport, int], str]) -> None:
    sweep = run_sweep(make_grid({**SMALL, "drafters": ["ngram"], "suites": ["code"]}), tmp_path / "sweep", here)
    (cell,) = sweep.record().cells
    run = sweep.run(cell)
    assert run is not None
    found = Divergence(arm="ngram gamma=3", prompt_id=run.manifest.prompts[0].id, repetition=0, position=0, kind="real")
    (sweep.cell(cell.key) / "divergences.jsonl").write_text(found.model_dump_json() + "\n")
    report = measure_grid(sweep)
    assert {(speed.gamma, speed.num_real) for speed in report.speeds} == {("1", 0), ("3", 1)}
    assert report.has_failures
    assert "FAULT: 1 greedy texts" in shown(report, 200)


def test_without_intervals_nothing_is_told_apart(tmp_path: Path) -> None:
    report = measure_grid(run_sweep(make_grid({**SMALL, "limit": 3, "suites": ["code"]}), tmp_path / "sweep", here))
    assert [(best.rivals, best.pays, best.loses) for best in report.best] == [(3, False, False)]


def test_a_pair_that_lacks_a_suite_is_on_a_map_all_the_same(swept: SweepFolder, tmp_path: Path) -> None:
    shutil.copytree(swept.folder, tmp_path / "sweep")
    sweep = SweepFolder(tmp_path / "sweep")
    (gone,) = [cell for cell in sweep.record().cells if (cell.drafter, cell.suite) == ("ngram", "prose")]
    shutil.rmtree(sweep.cell(gone.key))
    maps = [each for each in heat_maps(measure_grid(sweep)) if each.is_speed]
    assert [each.title.rpartition(", ")[2] for each in maps] == ["all suites", "code", "prose"]
    assert [each.drafters for each in maps] == [["model:toy:0.3"], ["ngram", "model:toy:0.3"], ["model:toy:0.3"]]


def moved(sweep: SweepFolder, cell: Cell, host: str) -> None:
    """Have a cell come from another machine, which is ten times as fast."""
    manifest = sweep.cell(cell.key) / "manifest.json"
    content = json.loads(manifest.read_text())
    content["environment"]["host"] = host
    manifest.write_text(json.dumps(content))


@pytest.fixture
def on_two(tmp_path: Path) -> SweepFolder:
    sweep = run_sweep(make_grid({**SMALL, "drafters": ["model:toy:0.3"]}), tmp_path / "sweep", here)
    moved(sweep, sweep.record().cells[1], "elsewhere")
    return sweep


def test_acceptance_is_pooled_over_machines_and_seconds_are_not(on_two: SweepFolder) -> None:
    report = measure_grid(on_two)
    assert len(report.machines) == 2
    assert {(speed.suite, speed.machine) for speed in report.speeds} == {("code", 0), ("prose", 1)}
    runs = [on_two.run(cell) for cell in on_two.record().cells]
    (pooled,) = [each for each in report.acceptance if (each.suite, each.gamma) == (ALL, "3")]
    arms = [(run, arm) for run in runs if run for arm in run.arms("drafted") if arm.gamma == 3]
    counts = [count(run.traces_of(arm)) for run, arm in arms]
    assert pooled.num_prompts == 12
    assert pooled.acceptance_rate.value == pytest.approx(
        sum(c.accepted for c in counts) / sum(c.judged for c in counts), abs=1e-12
    )
    assert {best.machine for best in report.best} == {0, 1}


def test_on_one_machine_all_suites_have_a_speed(swept: SweepFolder) -> None:
    report = measure_grid(swept)
    assert {(s.suite, s.num_prompts) for s in report.speeds} == {("code", 6), ("prose", 6), (ALL, 12)}
    by_hand = {}
    for suite in ("code", "prose", ALL):
        rows = [s for s in report.speeds if s.suite == suite]
        by_hand[suite] = max(rows, key=lambda s: s.walltime_speedup.value or 0)
    assert {best.suite: best.best for best in report.best} == by_hand
    assert report.best[-1].suite == ALL


def test_a_lossy_rule_is_never_the_best(tmp_path: Path) -> None:
    grid = make_grid({**SMALL, "suites": ["code"], "rules": ["typical", "rejection"], "temperatures": [1.0]})
    report = measure_grid(run_sweep(grid, tmp_path / "sweep", here))
    assert {speed.rule for speed in report.speeds} == {"typical", "rejection"}
    assert {best.best.rule for best in report.best} == {"rejection"}


def test_maps_have_a_field_for_each_drafter_and_length(swept: SweepFolder) -> None:
    speed, acceptance = heat_maps(measure_grid(swept))
    assert (speed.drafters, speed.gammas) == (["ngram", "model:toy:0.3"], ["1", "3"])
    assert acceptance.rows[1] == [
        each.acceptance_rate.value
        for each in measure_grid(swept).acceptance
        if each.suite == ALL and each.drafter == "model:toy:0.3"
    ]


def test_tables_fit_a_terminal(swept: SweepFolder, shown: Callable[[GridReport, int], str]) -> None:
    text = shown(measure_grid(swept), 80)
    assert "4 of 4 cells" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "best for" in text


def test_what_is_missing_is_said(tmp_path: Path, shown: Callable[[GridReport, int], str]) -> None:
    sweep = SweepFolder.prepare(tmp_path / "sweep", resume=False)
    sweep.write(make_grid(SMALL), cells_of(make_grid(SMALL)), ("sweep",))
    sweep.note_failure(sweep.record().cells[0].key, "out of \x1b[31mmemory")
    text = shown(measure_grid(sweep), 200)
    assert "0 of 4 cells" in text
    assert "out of ␛[31mmemory" in text
    assert "cells that have not run yet: 3" in text
    assert grid_verdict(measure_grid(sweep)) == "No cell has run yet."


def test_a_page_has_maps_and_hides_nothing_in_names(tmp_path: Path) -> None:
    suite = tmp_path / "<img src=x>.jsonl"
    suite.write_text("".join(json.dumps({"id": f"p{i}", "category": "code", "prompt": "ab"}) + "\n" for i in range(6)))
    grid = make_grid({**SMALL, "suites": [str(suite), "code"]})
    page = grid_page(measure_grid(run_sweep(grid, tmp_path / "sweep", here)))
    assert "<img src=x" not in page
    assert page.count("<svg") == 2
    assert 'id="plot-map-1"' in page
    assert "https://" not in page


def test_a_drafter_that_was_kept_in_two_forms_is_named(swept: SweepFolder, tmp_path: Path) -> None:
    shutil.copytree(swept.folder, tmp_path / "sweep")
    sweep = SweepFolder(tmp_path / "sweep")
    for form, cell in zip(("int8", "int4"), [c for c in sweep.record().cells if c.drafter != "ngram"], strict=True):
        path = sweep.cell(cell.key) / "manifest.json"
        manifest = json.loads(path.read_text())
        for model in manifest["drafters"].values():
            model["linear"] = form
        path.write_text(json.dumps(manifest))
    said = [line for line in notes(measure_grid(sweep)) if "int4, int8" in line]
    assert len(said) == 1 and said[0].startswith("model:toy:0.3 was kept as int4, int8")
