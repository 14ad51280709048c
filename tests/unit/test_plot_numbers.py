"""What plots must not claim: too few prompts, drafts that were not there, lengths that nobody chose."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from draftlab.metrics import tokens_per_round
from draftlab.records import Arm, Phases, Rounds, Trace
from draftlab.report.figure import figure
from draftlab.report.measure import Report, measure
from draftlab.report.noise import is_within_noise, noise_reach
from draftlab.report.plots import style
from draftlab.report.plots.acceptance import plot_acceptance
from draftlab.report.plots.block_efficiency import plot_block_efficiency
from draftlab.report.plots.causes import Cause, plot_causes
from draftlab.report.plots.export import write_figures
from draftlab.report.plots.groups import GroupRate, plot_groups
from draftlab.report.plots.lengths import LengthRow, draw_lengths, plot_lengths
from draftlab.report.plots.phases import mean_round
from draftlab.report.plots.plot import Plot
from draftlab.report.plots.predicted import Prediction, plot_predicted
from draftlab.report.plots.svg import inline_svg
from draftlab.report.reading import Run
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, DRAFTED, manifest, prompt, trace

AUTO = Arm(id="auto", role="drafted", drafter="ngram", gamma=16, rule="rejection", draft_length="auto")
LONGER = Arm(id="longer", role="drafted", drafter="ngram", gamma=7, rule="rejection")


def made(folder: Path, traces: list[Trace], **changes: Any) -> tuple[Run, Report]:
    store = Store.create(folder / "run", manifest(**changes))
    with store.writer() as writer:
        for each in traces:
            writer.traces.append(each)
    return Run.read(store), measure(store)


def test_shares_by_position_are_those_of_the_document(tmp_path: Path) -> None:
    """Seven prompts, of which only one drafts a second token: there is no interval for what one prompt says."""
    prompts = tuple(prompt(f"p{i}") for i in range(7))
    traces = [trace(BASELINE, p.id) for p in prompts]
    traces += [trace(DRAFTED, p.id, drafted=(1,) * 4, accepted=(0, 1, 0, 0)) for p in prompts[1:]]
    traces += [trace(DRAFTED, "p0", drafted=(2, 1), accepted=(2, 0))]
    _, report = made(tmp_path, traces, prompts=prompts)
    plot = plot_acceptance(report)
    assert plot is not None
    (arm,) = report.arms
    expected = [
        (p.position, kind, number, e.value, e.low, e.high)
        for kind, pick in (("unconditional", 0), ("conditional", 1))
        for p in arm.positions
        for number, e in [((p.num_drafted, p.acceptance), (p.num_judged, p.conditional))[pick]]
    ]
    assert [row[1:] for row in plot.rows] == expected
    first, second = (row for row in plot.rows if row[2] == "unconditional")
    assert first[5] is not None and second[3:] == (1, 1.0, None, None)
    assert "place 2" not in plot.caption and "of the rounds that draft. " in plot.caption
    assert [a.get_title(loc="left") for a in plot.figure.axes] == ["of drafts this long", "if all before were accepted"]


def test_nothing_accepted_is_not_a_draft_of_one_token(tmp_path: Path) -> None:
    _, report = made(tmp_path, [trace(BASELINE, "a"), trace(DRAFTED, "a", drafted=(3, 3), accepted=(0, 0))])
    plot = plot_acceptance(report)
    assert plot is not None and plot.caption.startswith("ngram, gamma 5: the first token is accepted in 0 % of")


def test_a_round_without_a_draft_accepts_not_nothing(tmp_path: Path) -> None:
    traces = [trace(BASELINE, "a"), trace(DRAFTED, "a", drafted=(2, 0, 2, 0), accepted=(2, 0, 0, 0))]
    plot = plot_lengths(made(tmp_path, traces)[0])
    assert plot is not None
    assert [row[1:] for row in plot.rows] == [("no draft", 2, 0.5), ("0", 1, 0.25), ("1", 0, 0.0), ("2", 1, 0.25)]
    assert "in 50 % of the rounds that draft" in plot.caption and "drafts nothing in 50 % of its rounds" in plot.caption


def test_a_label_stands_only_where_it_fits() -> None:
    drawn = draw_lengths([LengthRow("arm", (60, 35, 5))])
    assert [text.get_text() for text in drawn.axes[0].texts] == ["0: 60 %", "1: 35 %"]


def test_auto_is_no_point_of_the_curve(tmp_path: Path) -> None:
    traces = [trace(BASELINE, "a"), trace(DRAFTED, "a", drafted=(5,), accepted=(3,))]
    traces += [trace(AUTO, "a", drafted=(1, 1, 1, 1), accepted=(0, 0, 0, 0))]
    traces += [trace(LONGER, "a", drafted=(7, 7, 7), accepted=(0, 0, 1))]
    _, report = made(tmp_path, traces, arms=(BASELINE, DRAFTED, AUTO, LONGER))
    plot = plot_block_efficiency(report)
    assert plot is not None
    measured = [(gamma, value) for _, gamma, kind, value, *_ in plot.rows if kind == "measured"]
    assert measured == [(5, 4.0), (7, pytest.approx(4 / 3)), ("auto (at most 16)", 1.0)]
    formula = {gamma: value for _, gamma, kind, value, *_ in plot.rows if kind == "independent"}
    assert max(formula, key=lambda gamma: int(str(gamma))) == 9
    assert formula[1] == pytest.approx(tokens_per_round(4 / 8, 1))  # 3 of 4 judged tokens, and 1 of 4


def test_a_run_of_auto_alone_has_a_plot(tmp_path: Path) -> None:
    traces = [trace(BASELINE, "a"), trace(AUTO, "a", drafted=(2, 2), accepted=(1, 1))]
    plot = plot_block_efficiency(made(tmp_path, traces, arms=(BASELINE, AUTO))[1])
    assert (
        plot is not None
        and plot.caption == "ngram brings 2.00 tokens for each target pass with gamma auto (at most 16)."
    )
    assert [row[2] for row in plot.rows] == ["measured"]


def test_what_costs_nothing_is_no_gain() -> None:
    causes = [Cause("ngram", "draft", 1.5, 0.25), Cause("ngram", "overhead", 1.0, -0.1)]
    plot = plot_causes(causes)
    assert plot is not None and "25 % more than the costs predict" in plot.caption
    assert plot.columns[-1] == "gain_over_predicted" and len(plot.rows) == 2
    assert [label.get_text() for label in plot.figure.axes[0].get_yticklabels()] == ["draft"]
    assert plot_causes(causes[1:]) is None


def test_a_prediction_has_an_interval_and_a_mark_of_its_category() -> None:
    points = [Prediction("ngram", name, Estimate(1.5, 1.4, 1.7), Estimate(1.2, 1.1, 1.3)) for name in ("code", "prose")]
    plot = plot_predicted(points)
    assert plot is not None and plot.rows[0] == ("ngram", "code", 1.5, 1.4, 1.7, 1.2, 1.1, 1.3)
    (legend,) = plot.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ngram", "code", "prose"]


def test_a_mean_round_has_quartiles() -> None:
    watched = Phases(
        arm="a", prompt_id="p", rounds=Rounds(drafted=(1,) * 5, accepted=(1,) * 5, emitted=(2,) * 5),
        draft_ns=(0, 1_000_000, 2_000_000, 3_000_000, 4_000_000), target_ns=(1_000_000,) * 5, rest_ns=(0,) * 5,
    )  # fmt: skip
    row = mean_round("a", [watched])
    assert row is not None and row.middle_ms == (2.0, 4.0) and row.round_ms == 3.0


def test_the_reach_of_noise_is_that_of_the_verdict() -> None:
    floor = Estimate(0.94, 0.89, 1.0)
    reach = noise_reach(floor)
    assert reach == pytest.approx(1 / 0.89)
    for value, noise in ((reach * 0.999, True), (reach * 1.001, False), (1.001 / reach, True), (0.999 / reach, False)):
        away = Estimate(value, *((1.001, 9.0) if value > 1 else (0.1, 0.999)))
        assert is_within_noise(away, floor) is noise, figure(away, ".3f")
    assert noise_reach(None) is None and noise_reach(Estimate(1.0)) is None


def test_a_name_that_begins_with_an_underscore_is_in_the_legend() -> None:
    plot = plot_groups("x", [GroupRate("_mine", "word", 1, 1.0, Estimate(0.5))])
    assert plot is not None
    (legend,) = plot.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["\u200b_mine"]


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    rows = [(text, -1.5) for text in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "a=1")]
    write_figures([Plot("x", "x", "x", ("name", "value"), rows, style.new_figure(1.0)[0])], tmp_path)
    with (tmp_path / "x.csv").open(newline="") as file:
        _, *found = csv.reader(file)
    assert [name[:3] for name, _ in found] == ["'=1", "'+1", "'-1", "'@x", "' x", "'␍x", "a=1"]
    assert {value for _, value in found} == {"-1.5"}


def test_the_steps_take_the_colours_of_the_page() -> None:
    drawn = draw_lengths([LengthRow("arm", (50, 20, 30), 40)])
    drawing = str(inline_svg(Plot("x", "x", "x", ("a",), [(1,)], drawn)))
    assert "var(--step-1)" in drawing and "var(--step-7)" in drawing and "var(--on-few)" in drawing
    assert not [color for color in (*style.STEPS, style.ON_FEW, style.ON_MANY) if color in drawing.lower()]
