"""Where a training run can begin, and what of it is kept for the next call."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.train.progress import Silent
from draftlab.train.run import train
from draftlab.train.settings import TrainSettings
from draftlab.train.state import TRUSTS_NOTHING, State, Trusted, begin, go_on, kept_state, require_usable

SETTINGS = TrainSettings(target="t", device="cpu", trust_remote_code=True, allow_pickle=True)


def test_a_folder_that_no_drafter_could_be_called_by_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    require_usable(tmp_path / "a+b:c")
    folder = tmp_path / "1,2"
    with pytest.raises(DraftlabError, match="a comma ends the name of a drafter"):
        train(SETTINGS, folder, Silent())
    assert not folder.exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    for settings in (SETTINGS, None):
        with pytest.raises(DraftlabError, match=r"--out cannot be '.*file': it is a file"):
            train(settings, path, Silent())
    assert path.read_text() == "mine"
    with pytest.raises(DraftlabError, match="Not a directory"):
        begin(SETTINGS, path / "below", keep=False)


def test_a_folder_that_cannot_be_looked_into_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DraftlabError, match=r"cannot write to .*: Permission denied"):
        begin(SETTINGS, tmp_path, keep=False)


def test_what_is_trusted_is_asked_anew_and_each_flag_that_is_missing_is_told(tmp_path: Path) -> None:
    begin(SETTINGS, tmp_path, keep=False)
    said: list[str] = []
    settings = go_on(tmp_path, TRUSTS_NOTHING, said.append, keep=False).settings
    assert not settings.trust_remote_code and not settings.allow_pickle
    assert len(said) == 2 and "--trust-remote-code" in said[0] and "--allow-pickle" in said[1]
    assert settings == SETTINGS.model_copy(update={"trust_remote_code": False, "allow_pickle": False})

    said.clear()
    settings = go_on(tmp_path, Trusted(allow_pickle=True), said.append, keep=False).settings
    assert settings.allow_pickle and not settings.trust_remote_code
    assert len(said) == 1 and "--trust-remote-code" in said[0]
    assert go_on(tmp_path, Trusted(True, True), said.append, keep=False).settings == SETTINGS
    assert len(said) == 1


def test_a_run_that_trusted_nothing_can_trust_now(tmp_path: Path) -> None:
    begin(TrainSettings(target="t"), tmp_path, keep=False)
    said: list[str] = []
    assert go_on(tmp_path, Trusted(trust_remote_code=True), said.append, keep=False).settings.trust_remote_code
    assert said == []


@pytest.mark.parametrize(("first", "then"), [(True, False), (False, True), (True, True), (False, False)])
def test_texts_are_kept_where_any_call_asks_for_it(first: bool, then: bool, tmp_path: Path) -> None:
    begin(SETTINGS, tmp_path, keep=first)
    state = go_on(tmp_path, TRUSTS_NOTHING, lambda _: None, keep=then)
    assert state.keep == (first or then)
    state.save(tmp_path)
    assert kept_state(tmp_path) == state


def test_a_run_of_before_is_read(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text('{"settings": {"target": "t"}, "rows": 7}')
    assert kept_state(tmp_path) == State(settings=TrainSettings(target="t"), rows=7)


def test_a_damaged_state_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text("{")
    with pytest.raises(DraftlabError, match=r"training\.json is damaged"):
        go_on(tmp_path, TRUSTS_NOTHING, lambda _: None, keep=False)
