"""Plots show the numbers of the records, and none of them stumbles over a run that has little."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError
from draftlab.metrics import tokens_per_round
from draftlab.records import Phases, Rounds, Trace
from draftlab.report.measure import Report, measure
from draftlab.report.plots.causes import Cause, plot_causes
from draftlab.report.plots.export import write_figures
from draftlab.report.plots.groups import GroupRate, plot_groups
from draftlab.report.plots.of_run import plots_of
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.predicted import Prediction, plot_predicted
from draftlab.report.plots.svg import inline_svg
from draftlab.report.reading import Run
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, manifest, trace


def made(folder: Path, traces: list[Trace], phases: tuple[Phases, ...] = (), **changes: Any) -> tuple[Run, Report]:
    store = Store.create(folder / "run", manifest(**changes))
    with store.writer() as writer:
        for each in traces:
            writer.traces.append(each)
        for watched in phases:
            writer.phases.append(watched)
    return Run.read(store), measure(store)


def by_name(plots: list[Plot]) -> dict[str, Plot]:
    return {plot.name: plot for plot in plots}


TRACES = [
    trace(BASELINE, "a", decode_ns=4_000_000),
    trace(DRAFTED, "a", drafted=(2, 2), accepted=(2, 0), decode_ns=2_000_000),
]
WATCHED = Phases(
    arm=DRAFTED.id, prompt_id="a", rounds=Rounds(drafted=(2, 2), accepted=(2, 0), emitted=(3, 1)),
    draft_ns=(1_000_000, 3_000_000), target_ns=(4_000_000, 4_000_000), rest_ns=(0, 2_000_000),
)  # fmt: skip


@pytest.fixture
def plots(tmp_path: Path) -> dict[str, Plot]:
    return by_name(plots_of(*made(tmp_path, TRACES, (WATCHED,))))


def test_the_numbers_are_those_of_the_records(plots: dict[str, Plot]) -> None:
    assert [row[3] for row in plots["speedup"].rows if row[1] == "all"] == [2.0]
    assert [row[2:] for row in plots["paired-times"].rows] == [(1.0, 0.5, 2.0)]
    rates = {(place, kind): value for _, place, kind, _, value, *_ in plots["acceptance-by-position"].rows}
    assert rates[1, "unconditional"] == rates[2, "unconditional"] == rates[1, "conditional"] == 0.5
    assert rates[2, "conditional"] == 1.0
    assert [row[2] for row in plots["accepted-lengths"].rows] == [1, 0, 1]
    assert [row[1:] for row in plots["phases"].rows] == [(2, 2.0, 2.0, 4.0, 1.0, 7.0, 6.0, 8.0)]


def test_every_row_is_as_wide_as_its_columns(plots: dict[str, Plot]) -> None:
    assert len(plots) == 6
    for plot in plots.values():
        assert plot.rows and {len(row) for row in plot.rows} == {len(plot.columns)}


def test_the_formula_is_the_geometric_sum() -> None:
    assert tokens_per_round(0.5, 2) == 1.75
    assert tokens_per_round(1.0, 4) == 5.0


def test_what_has_no_data_is_left_out(tmp_path: Path) -> None:
    assert plots_of(*made(tmp_path, [trace(BASELINE, "a")])) == []
    assert "phases" not in by_name(plots_of(*made(tmp_path / "other", TRACES)))


def test_a_drafter_that_never_drafts_has_a_page_too(tmp_path: Path) -> None:
    found = by_name(plots_of(*made(tmp_path, [trace(BASELINE, "a"), trace(DRAFTED, "a")])))
    assert "speedup" in found and "acceptance-by-position" not in found


def test_drawings_are_the_same_twice_and_share_no_id(tmp_path: Path) -> None:
    one, two = (plots_of(*made(tmp_path / name, TRACES, (WATCHED,))) for name in "ab")
    drawings = [str(inline_svg(plot)) for plot in one]
    assert drawings == [str(inline_svg(plot)) for plot in two]
    ids = [found for drawing in drawings for found in re.findall(r'\bid="([^"]*)"', drawing)]
    assert ids and len(ids) == len(set(ids))
    for drawing in drawings:
        assert 'role="img"' in drawing and "http" not in drawing and "nan" not in drawing.lower()
        assert set(re.findall(r'(?:href="|url\()#([^")]*)', drawing)) <= set(ids)


def test_a_name_is_neither_a_formula_nor_markup(tmp_path: Path) -> None:
    arm = DRAFTED.model_copy(update={"drafter": "$\\frac</text><script>$ \x00"})
    run, report = made(tmp_path, TRACES, arms=(BASELINE, arm))
    for plot in plots_of(run, report):
        drawing = str(inline_svg(plot))
        assert "<script" not in drawing and "\x00" not in drawing


def test_figures_are_written_with_their_numbers(tmp_path: Path, plots: dict[str, Plot]) -> None:
    written = write_figures(plots.values(), tmp_path / "figures")
    assert {path.suffix for path in written} == {".svg", ".png", ".csv"} and all(
        path.stat().st_size for path in written
    )
    with (tmp_path / "figures" / "phases.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header == list(plots["phases"].columns)
    assert row[1:] == ["2", "2.0", "2.0", "4.0", "1.0", "7.0", "6.0", "8.0"]


def test_figures_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DraftlabError, match="it is a file"):
        write_figures([], tmp_path / "file")


def test_plots_of_plain_numbers() -> None:
    estimate = Estimate(0.5, 0.4, 0.6)
    rates = [GroupRate("ngram", "digit", 3, 0.3, estimate), GroupRate("ngram", "word", 7, 0.7, Estimate(0.9))]
    groups = plot_groups("token class", rates)
    assert groups is not None and groups.name == "acceptance-by-token-class"
    assert "most often accepted is word (90 %), least often digit (50 %" in groups.caption
    predicted = plot_predicted([Prediction("ngram", "all", Estimate(1.5), Estimate(1.2, 1.1, 1.3))])
    assert predicted is not None and "25 % above" in predicted.caption
    causes = plot_causes([Cause("ngram", "draft", 1.5, 0.3), Cause("ngram", "rest", 1.3, 0.1)])
    assert causes is not None and causes.caption.startswith("Without “draft”, ngram would be 1.50")
    for plot in (groups, predicted, causes):
        assert "<svg" in inline_svg(plot)
    assert plot_groups("x", []) is None and plot_predicted([]) is None and plot_causes([]) is None
