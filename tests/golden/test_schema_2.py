"""A run of schema 2 as it was once written: it has to load and report for ever.

`run-schema-2` was made with the toy; its times and the counters of its machine are round numbers. Never make it again.
Where the report is meant to look different, write its text again:

    COLUMNS=100 draftlab report tests/golden/run-schema-2 > tests/golden/report-schema-2.txt
"""

from __future__ import annotations

import json

import pytest

from draftlab.report.measure import measure
from draftlab.store import Store
from tests.golden.frozen import HERE, check_lines, check_manifest, check_report


@pytest.fixture
def store() -> Store:
    return Store.open(HERE / "run-schema-2")


def test_every_line_is_read_and_means_what_it_says(store: Store) -> None:
    check_lines(store, "traces", store.traces())
    check_lines(store, "machine", store.samples())


def test_the_manifest_is_read_and_means_what_it_says(store: Store) -> None:
    check_manifest(store)


def test_the_figures_stay_what_they_were(store: Store) -> None:
    """Worked out from the lines without draftlab: sums of `decode_ns` over equally many tokens."""
    times: dict[str, int] = {}
    for line in (store.folder / "traces.jsonl").read_text(encoding="utf-8").splitlines():
        trace = json.loads(line)
        times[trace["arm"]] = times.get(trace["arm"], 0) + trace["decode_ns"]
    report = measure(store)
    assert report.complete
    assert report.noise_floor is not None
    assert report.noise_floor.value == pytest.approx(times["none"] / times["none again"])
    assert report.drift is not None
    assert report.drift.value == pytest.approx(times["none"] / times["none at the end"])
    (arm,) = [arm for arm in report.arms if arm.category == "all"]
    assert arm.walltime_speedup.value == pytest.approx(times["none"] / times["model:toy:0.3 gamma=3"])
    assert arm.within_noise is False
    assert report.machine is not None
    assert report.machine.others_share == pytest.approx((3 - 2) / (3 + 1))
    assert (report.machine.swapped_bytes, report.machine.throttled) == (2 * 2**20, 0)


def test_the_report_looks_as_it_did(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_report(store, "report-schema-2.txt", monkeypatch, capsys)
