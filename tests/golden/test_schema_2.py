"""A run of schema 2 as it was once written: it has to load and report for ever.

`run-schema-2` was made with the toy; its times and the counters of its machine are round numbers. Never make it again.
Where the report is meant to look different, write its text again:

    COLUMNS=100 draftlab report tests/golden/run-schema-2 > tests/golden/report-schema-2.txt
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.report.measure import measure
from draftlab.report.terminal import print_report
from draftlab.store import Store

HERE = Path(__file__).parent


@pytest.fixture
def store() -> Store:
    return Store.open(HERE / "run-schema-2")


@pytest.mark.parametrize("name", ["traces", "machine"])
def test_every_line_is_read_and_means_what_it_says(store: Store, name: str) -> None:
    lines = (store.folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    records = store.traces() if name == "traces" else store.samples()
    for record, line in zip(records, lines, strict=True):
        written = json.loads(line)
        read = json.loads(record.model_dump_json())
        assert {key: read[key] for key in written} == written


def test_the_manifest_is_read_and_means_what_it_says(store: Store) -> None:
    written = json.loads((store.folder / "manifest.json").read_text(encoding="utf-8"))
    read = json.loads(store.manifest().model_dump_json(by_alias=True))
    assert {key: read[key] for key in written if key != "arms"} == (
        {key: value for key, value in written.items() if key != "arms"}
    )
    for arm, old in zip(read["arms"], written["arms"], strict=True):
        assert {key: arm[key] for key in old} == old


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
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):  # each makes rich colour what is no terminal
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    print_report(store)
    expected = (HERE / "report-schema-2.txt").read_text(encoding="utf-8")
    assert capsys.readouterr().out.splitlines() == expected.splitlines()
