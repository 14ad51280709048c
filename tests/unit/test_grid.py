"""A grid: its cells, their keys, what is kept of them, and what they come to."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from draftlab.errors import DraftlabError
from draftlab.grid import identity
from draftlab.grid.cells import Cell, cells_of
from draftlab.grid.folder import SweepFolder
from draftlab.grid.maps import heat_maps
from draftlab.grid.measure import ALL, GridReport, measure_grid
from draftlab.grid.page import grid_page, grid_verdict
from draftlab.grid.spec import Grid, make_grid
from draftlab.grid.terminal import print_grid
from draftlab.metrics import count
from draftlab.records import Divergence
from draftlab.sweep.cell import files_of_cell, make_cell, run_cell
from draftlab.sweep.outcome import Listener, Outcome
from draftlab.sweep.run import run_sweep

SMALL = {"target": "toy", "drafters": ["ngram", "model:toy:0.3"], "gammas": [1, 3], "limit": 6, "max_new_tokens": 8}


Outcomes = Generator[Outcome, None, None]


def here(cells: Sequence[Cell], sweep: SweepFolder, listener: Listener) -> Outcomes:
    """The simplest workers: this process."""
    for cell in cells:
        listener.begins(cell, "here")
        make_cell(cell, sweep)
        yield Outcome(cell)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    return run_sweep(make_grid(SMALL), tmp_path_factory.mktemp("grid") / "sweep", here)


def test_a_grid_is_every_combination_and_draft_lengths_share_a_cell() -> None:
    grid = make_grid({**SMALL, "rules": ["rejection", "block"], "temperatures": [0, 0.5, 1]})
    cells = cells_of(grid)
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 2 * 3 * 2
    assert {(c.drafter, c.rule, c.temperature, c.suite) for c in cells} == {
        (d, r, t, s)
        for d in ("ngram", "model:toy:0.3")
        for r in ("rejection", "block")
        for t in (0, 0.5, 1)
        for s in ("code", "prose")
    }
    assert all(tuple(cell.experiment["gammas"]) == (1, 3) and cell.experiment["limit"] == 6 for cell in cells)


def test_pairs_say_which_drafter_belongs_to_which_target() -> None:
    pairs = [{"target": "toy", "drafters": ["model:toy:0.3"]}, {"target": "toy:x", "drafters": ["ngram"]}]
    found = [(cell.target, cell.drafter) for cell in cells_of(make_grid({"pairs": pairs, "suite": "code"}))]
    assert found == [("toy", "model:toy:0.3"), ("toy:x", "ngram")]


def test_a_spec_of_a_bench_is_a_grid() -> None:
    grid = make_grid({"target": "toy", "drafters": ["ngram"], "gammas": [2], "suites": ["code"], "rule": "block"})
    (cell,) = cells_of(grid)
    assert (cell.rule, cell.temperature) == ("block", None)
    assert "temperature" not in cell.experiment


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"drafers": ["ngram"]}, "no setting is called 'drafers'.*Did you mean 'drafters'"),
        ({"drafters": []}, "the list drafters of a sweep is empty"),
        ({"rule": "block", "rules": ["block"]}, "both rules and rules|both"),
        ({"pairs": [{"target": "toy", "drafters": ["ngram"]}], "drafters": ["ngram"]}, "pairs beside targets"),
        ({"pairs": [{"target": "toy"}]}, "pairs.0.drafters"),
        ({"temperatures": ["hot"]}, "temperatures.0"),
        ({"engine": "vllm"}, "a sweep cannot have the setting engine"),
        ({"until": "2%"}, "a sweep cannot have the setting until"),
    ],
)
def test_a_bad_spec_is_told_in_one_line(content: dict[str, Any], told: str) -> None:
    with pytest.raises(DraftlabError) as caught:
        make_grid(content)
    assert re.search(told, f"{caught.value} {caught.value.hint}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"drafters": ["ngram", "modle:x"]}, "no drafter is called 'modle'"),
        ({"drafters": ["none"]}, "plain decoding is in every cell"),
        ({"drafters": ["model"]}, "the drafter 'model' names no model"),
        ({"rules": ["rejection", "rejecton"]}, "no rule is called 'rejecton'"),
        ({"suites": ["code", "nothing.jsonl"]}, "cannot read the suite nothing.jsonl"),
        ({"drafters": ["model:/nowhere/at all"]}, "there is no folder /nowhere"),
        ({"gammas": [300]}, "gamma"),
        ({"temperatures": [-1.0]}, "temperature"),
    ],
)
def test_what_the_last_cell_would_stumble_over_is_told_before_the_first(content: dict[str, Any], told: str) -> None:
    with pytest.raises(DraftlabError, match=told):
        cells_of(make_grid({"target": "toy", **content}))


def test_a_key_follows_from_all_that_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = tmp_path / "mine.jsonl"
    suite.write_text(json.dumps({"id": "a", "category": "code", "prompt": "x"}) + "\n")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"\0" * (3 * 2**20))
    asked = {"target": str(model), "suites": [str(suite)], "drafters": ["ngram"]}

    def key() -> str:
        identity.model_hash.cache_clear()
        (cell,) = cells_of(make_grid(asked))
        return cell.key

    first = key()
    assert key() == first
    asked["limit"] = 1
    assert key() != first
    del asked["limit"]
    suite.write_text(json.dumps({"id": "a", "category": "code", "prompt": "y"}) + "\n")
    with_other_prompt = key()
    assert with_other_prompt != first
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-1] = 1
    (model / "model.safetensors").write_bytes(content)
    with_other_weights = key()
    assert with_other_weights != with_other_prompt
    monkeypatch.setattr("draftlab.grid.cells.code_hash", lambda: "other code")
    assert key() != with_other_weights


def test_the_code_of_another_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from draftlab.drafters import DRAFTERS
    from draftlab.registry import Entry

    module = tmp_path / "somebodys_drafter.py"
    module.write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries = {**DRAFTERS.entries(), "mine": Entry("somebodys_drafter:Mine", "")}
    monkeypatch.setattr(type(DRAFTERS), "entries", lambda self: entries if self is DRAFTERS else {})

    def found() -> str | None:
        identity.component_hash.cache_clear()
        return identity.component_hash("drafter", "mine")

    first = found()
    assert first is not None
    module.write_text("class Mine:\n    x = 1\n")
    assert found() not in (None, first)
    assert identity.component_hash("drafter", "ngram") is None


def test_the_models_of_a_drafter_behind_lookup_count() -> None:
    assert list(identity.models_of("lookup+model:toy:0.3,lookup_min_ngram=2")) == ["toy:0.3"]
    assert list(identity.components_of("lookup+model:toy:0.3")) == ["lookup", "model"]
    assert list(identity.models_of("ngram")) == []


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


@pytest.fixture
def shown() -> Callable[[GridReport, int], str]:
    def show(report: GridReport, width: int) -> str:
        out = StringIO()
        print_grid(report, Console(file=out, width=width, highlight=False))
        return out.getvalue()

    return show


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


def test_a_grid_survives_its_record(swept: SweepFolder) -> None:
    assert SweepFolder(swept.folder).record().grid == make_grid(SMALL)
    assert isinstance(swept.record().grid, Grid)
