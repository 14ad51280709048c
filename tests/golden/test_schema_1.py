"""A run of schema 1 as it was once written: it has to load and report for ever.

`run-schema-1` was made with the toy, by the first draftlab; its times are round numbers, one trace is failed and one
text was changed by hand. Never make it again: a new schema gets a folder of its own beside it. Where the report is
meant to look different, write its text again:

    COLUMNS=100 draftlab report tests/golden/run-schema-1 > tests/golden/report-schema-1.txt
"""

from __future__ import annotations

import pytest

from draftlab.metrics import first_difference
from draftlab.report.measure import measure
from draftlab.store import Store
from tests.golden.frozen import HERE, check_lines, check_manifest, check_report


@pytest.fixture
def store() -> Store:
    return Store.open(HERE / "run-schema-1")


def test_every_line_is_read_and_means_what_it_says(store: Store) -> None:
    check_lines(store, "traces", store.traces())


def test_the_manifest_is_read_and_means_what_it_says(store: Store) -> None:
    check_manifest(store)


def test_the_figures_stay_what_they_were(store: Store) -> None:
    report = measure(store)
    assert report.complete
    ngram, model = [arm for arm in report.arms if arm.category == "all"]
    assert (ngram.num_prompts, ngram.num_failed, ngram.identical, ngram.compared) == (4, 0, 7, 8)
    assert (model.num_prompts, model.num_failed, model.identical, model.compared) == (4, 1, 7, 7)
    assert ngram.acceptance_rate.value == 0
    # Counted in traces.jsonl without draftlab: 41 rounds, 103 drafted, 43 accepted, 29 rejected.
    assert model.acceptance_rate.value == pytest.approx(43 / (43 + 29))
    assert model.draft_utilization.value == pytest.approx(43 / 103)
    assert model.block_efficiency.value == pytest.approx((43 + 41) / 41)


def test_the_changed_text_is_found(store: Store) -> None:
    texts = {trace.key: trace.tokens for trace in store.traces()}
    ((prompt_id, repetition, position),) = [
        (d.prompt_id, d.repetition, d.position)
        for arm in measure(store).arms
        if arm.category == "all"
        for d in arm.divergences
    ]
    assert (prompt_id, repetition, position) == ("once", 1, 11)
    assert first_difference(texts["none", "once", 1], texts["ngram gamma=3", "once", 1]) == 11


def test_the_report_looks_as_it_did(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_report(store, "report-schema-1.txt", monkeypatch, capsys)
