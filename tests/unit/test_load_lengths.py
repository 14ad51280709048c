"""Several draft lengths under load: which is the best at each number of users."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from draftlab.cli.load import bench_under_load, tell_load
from draftlab.errors import DraftlabError
from draftlab.load.lengths import LengthsReport, folder_of, is_load, measure_lengths
from draftlab.load.measure import bands
from draftlab.load.records import LoadSettings
from draftlab.load.run import _begin, _keep
from draftlab.load.terminal import print_lengths
from tests.unit.managing import an_experiment, let_engine_behave
from tests.unit.test_load import known


def kept(folder: Path, measured: dict[int, dict[int, float]]) -> Path:
    """Measurements on disk: for each draft length the ratio at each number of users."""
    for gamma, ratios in measured.items():
        settings, blocks = known(ratios)
        settings = settings.model_copy(update={"experiment": {"engine": "vllm", "gammas": [gamma], "suites": ["code"]}})
        place = folder_of(folder, gamma, list(measured))
        _begin(settings, place, resume=False)
        for block in blocks:
            _keep(block, place)
    return folder


def test_each_number_of_users_has_its_length(tmp_path: Path) -> None:
    folder = kept(
        tmp_path / "load", {2: {1: 1.5, 4: 1.3, 8: 0.9}, 5: {1: 2.0, 4: 1.1, 8: 0.6}, 10: {1: 1.9, 4: 0.8, 8: 0.5}}
    )
    report, _ = measure_lengths(folder)
    assert list(report.lengths) == [2, 5, 10]
    assert [(each.users, each.gamma) for each in report.best] == [(1, 5), (4, 2), (8, 0)]
    assert report.best[0].ratio.value == pytest.approx(2.0)
    assert report.per_batch_size == [(1, 1, 5), (2, 4, 2), (5, 8, 0)]


def test_lengths_that_reach_as_far_are_named(tmp_path: Path) -> None:
    report, _ = measure_lengths(kept(tmp_path / "load", {2: {1: 1.5}, 4: {1: 1.5}}))
    assert (report.best[0].gamma, report.best[0].rivals) == (2, [4])


def test_one_length_is_a_measurement_as_it_was(tmp_path: Path) -> None:
    folder = kept(tmp_path / "load", {3: {1: 2.0, 8: 0.5}})
    report, settings = measure_lengths(folder)
    assert report.per_batch_size == report.lengths[3].per_batch_size == [(1, 1, 3), (2, 8, 0)]
    assert isinstance(settings, LoadSettings)


def test_of_a_server_that_was_not_started_here_no_length_is_known(tmp_path: Path) -> None:
    settings, blocks = known({1: 2.0})
    _begin(settings.model_copy(update={"experiment": {"engine": "endpoint"}}), tmp_path / "load", resume=False)
    for block in blocks:
        _keep(block, tmp_path / "load")
    report, _ = measure_lengths(tmp_path / "load")
    assert (list(report.lengths), report.per_batch_size) == ([0], [])


def shown(report: LengthsReport, settings: LoadSettings) -> str:
    out = StringIO()
    print_lengths(report, settings, Console(file=out, width=160, highlight=False))
    return out.getvalue()


def test_the_table_is_given_once_for_all_lengths(tmp_path: Path) -> None:
    text = shown(*measure_lengths(kept(tmp_path / "load", {2: {1: 1.5, 8: 0.9}, 5: {1: 2.0, 8: 0.6}})))
    assert text.count("num_speculative_tokens_per_batch_size") == 1
    assert "[[1,1,5],[2,8,0]]" in text
    assert "draft length 2" in text and "draft length 5" in text
    assert any(line.split()[:2] == ["8", "none"] for line in text.splitlines())


def test_bands_join_what_is_alike() -> None:
    assert bands([(1, 4), (2, 4), (4, 2), (8, 2), (16, 0)]) == [(1, 2, 4), (3, 8, 2), (9, 16, 0)]
    assert bands([]) == []


def test_a_folder_without_one(tmp_path: Path) -> None:
    assert not is_load(tmp_path)
    with pytest.raises(DraftlabError, match="no measurement under load"):
        measure_lengths(tmp_path)


def test_lengths_are_measured_one_after_the_other_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    let_engine_behave(monkeypatch, "well")
    asked = an_experiment(tmp_path, gammas=(2, 4))
    bench_under_load(asked, "1,2", tmp_path / "load", resume=False, json=False)
    out, err = capsys.readouterr()
    assert "draft length 2" in err and "draft length 4" in err
    assert {path.name for path in (tmp_path / "load").glob("*/")} >= {"gamma-2", "gamma-4"}
    for path in (tmp_path / "load" / "gamma-4" / "blocks").iterdir():
        path.unlink()
    bench_under_load(asked, "1,2", tmp_path / "load", resume=True, json=False)
    again, _ = capsys.readouterr()
    assert [line for line in again.splitlines() if line.startswith("users")] == [
        line for line in out.splitlines() if line.startswith("users")
    ]
    assert tell_load(tmp_path / "load", json=True) is False
    assert '"per_batch_size"' in capsys.readouterr().out
