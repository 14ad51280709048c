"""What the page says around the figures: failures, the reach of noise, drift, and a date that can be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from draftlab.records import Detail, Phases
from draftlab.report.html.facts import machine, warnings
from draftlab.report.html.failures import Failure, failures
from draftlab.report.html.page import report_page
from draftlab.report.markdown import plain
from draftlab.report.measure import measure
from draftlab.report.reading import Run
from draftlab.stats import Estimate
from draftlab.store import Store
from tests.unit.handmade import BASELINE, CONTROL, DRAFTED, failure, manifest, trace


def store_in(folder: Path) -> Store:
    store = Store.create(folder, manifest(arms=(BASELINE, DRAFTED, CONTROL)))
    with store.writer() as writer:
        for each in (trace(BASELINE, "a"), trace(DRAFTED, "a"), failure(DRAFTED, "b"), failure(CONTROL, "b")):
            writer.traces.append(each)
        writer.phases.append(Phases(arm=DRAFTED.id, prompt_id="a", error="Boom: no clock"))
        writer.details.append(Detail(arm=DRAFTED.id, prompt_id="b", error="Boom: no row"))
    return store


def test_every_failed_decode_is_listed_under_the_names_of_the_page(tmp_path: Path) -> None:
    store = store_in(tmp_path / "run")
    run = Run.read(store)
    name = "ngram, gamma 5"
    assert failures(run) == [
        Failure(name, "b", "timed, repetition 0", "Oops: no"),
        Failure("plain decoding, a second time", "b", "timed, repetition 0", "Oops: no"),
        Failure(name, "a", "watched for costs", "Boom: no clock"),
        Failure(name, "b", "recorded by token", "Boom: no row"),
    ]
    page = report_page(run, measure(store))
    assert "Boom: no clock" in page and "Boom: no row" in page and "ngram gamma=5</th>" not in page
    assert page.index('id="plot-speedup"') < page.index("<caption>Every arm on every category")
    assert page.count('id="plot-speedup"') == 1


def test_the_first_screen_says_how_far_noise_reaches(tmp_path: Path) -> None:
    store = store_in(tmp_path / "run")
    report = measure(store).model_copy(update={"noise_floor": Estimate(0.94, 0.89, 1.0)})
    assert "speed-ups from 0.89x to 1.12x are within noise" in report_page(Run.read(store), report)


@pytest.mark.parametrize(("value", "grave"), [(0.85, True), (0.95, False), (1.2, True)])
def test_much_drift_puts_the_figures_in_doubt(tmp_path: Path, value: float, grave: bool) -> None:
    store = store_in(tmp_path / "run")
    report = measure(store).model_copy(update={"drift": Estimate(value, value - 0.01, value + 0.01)})
    run = Run.read(store)
    assert [is_grave for line, is_grave in warnings(run, report) if line.startswith("Drift")] == [grave]
    assert ('<li class="bad">Drift' in report_page(run, report)) is grave


@pytest.mark.parametrize(
    ("created", "shown"),
    [("2026-11-23T20:03:59.123+00:00", "2026-11-23 20:03 UTC"), ("2026-11-23T20:03:00-05:00", "2026-11-24 01:03 UTC"),
     ("long ago", "long ago")],
)  # fmt: skip
def test_a_date_can_be_read(created: str, shown: str) -> None:
    assert dict(machine(manifest(created=created)))["Date"] == shown


def test_a_folder_of_any_bytes_has_a_report(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run\xff"))
    try:
        folder.mkdir()
        folder.rmdir()
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    store = store_in(folder)
    report = measure(store)
    assert report.run.endswith("/run\ufffd") and "run\ufffd" in report.model_dump_json()
    assert "run\ufffd" in report_page(Run.read(store), report)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@someone", "&#64;\u200bsomeone"),
        ("org/name#12", "org/name&#35;\u200b12"),
        ("see GH-12", "see GH-\u200b12"),
        ("SIGH-12", "SIGH-12"),
    ],
)
def test_markdown_calls_nobody_and_links_no_issue(text: str, shown: str) -> None:
    assert plain(text) == shown
