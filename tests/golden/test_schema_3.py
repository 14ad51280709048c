"""A run of schema 3 as it was once written: it has to load and report for ever.

`run-schema-3` was made with the toy (bench with --detail tokens and --gamma auto, then tune --from); its times are
round numbers. Never make it again. Where the report is meant to look different, write its text again:

    COLUMNS=100 draftlab report tests/golden/run-schema-3 > tests/golden/report-schema-3.txt
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.report.html.page import report_page
from draftlab.report.html.token_view import token_view
from draftlab.report.measure import measure
from draftlab.report.reading import Run
from draftlab.store import Store
from tests.golden.frozen import HERE, check_lines, check_manifest, check_report


@pytest.fixture
def store() -> Store:
    return Store.open(HERE / "run-schema-3")


def lines(store: Store, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(store.folder / name).read_text(encoding="utf-8").splitlines()]


def test_every_line_is_read_and_means_what_it_says(store: Store) -> None:
    check_lines(store, "traces", store.traces())
    check_lines(store, "machine", store.samples())
    check_lines(store, "phases", store.phases())
    for detail, line in zip(store.details(), lines(store, "details.jsonl"), strict=True):
        assert json.loads(detail.model_dump_json(exclude_defaults=True)) == line
    check_lines(store, "tokens", store.token_bytes())
    check_lines(store, "replay", store.replays())


def test_the_manifest_is_read_and_means_what_it_says(store: Store) -> None:
    check_manifest(store)


def test_costs_and_acceptance_are_worked_out(store: Store) -> None:
    """A draft of n tokens took 10 + 200 n microseconds, a pass of n rows 950 + 50 n: the lines say so."""
    report = measure(store)
    assert report.complete
    (arm,) = [arm for arm in report.arms if arm.category == "all" and arm.draft_length == "fixed"]
    assert arm.cost is not None
    assert dict(arm.cost.target_ns)[1] == pytest.approx(1_000_000, rel=0.01)
    assert arm.cost.draft_cost == pytest.approx(0.21, abs=0.01)
    judged = sum(
        sum(accepted) + sum(a < d for d, a in zip(drafted, accepted, strict=True))
        for trace in lines(store, "traces.jsonl")
        if trace["arm"] == "model:toy:0.3 gamma=3"
        for rounds in [trace["rounds"]]
        for drafted, accepted in [(rounds["drafted"], rounds["accepted"])]  # type: ignore[index]
    )
    assert sum(group.num_judged for group in arm.acceptance_by if group.by == "place") == judged
    assert sum(group.num_judged for group in arm.acceptance_by if group.by == "token_class") == judged


def test_the_report_looks_as_it_did(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_report(store, "report-schema-3.txt", monkeypatch, capsys)


def test_the_page_has_every_text_and_every_plot(store: Store) -> None:
    run = Run.read(store)
    page = report_page(run, measure(store), token_view(run))
    assert "Block efficiency by gamma" in page
    assert "Why it is not faster" in page
    assert "Acceptance by token class" in page
    assert all(prompt.id in page for prompt in run.manifest.prompts)
