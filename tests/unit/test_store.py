"""A run on disk: what was written is there, whatever happened to the process that wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.records import SCHEMA_VERSION, Trace
from draftlab.store import Store, list_runs
from tests.unit.handmade import BASELINE, DRAFTED, failure, manifest, trace

ONE, TWO = trace(BASELINE, "a"), trace(DRAFTED, "a", drafted=[3, 0], accepted=[2, 0])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "run", manifest())


def write(store: Store, *traces: Trace) -> None:
    with store.writer() as writer:
        for one in traces:
            writer.traces.append(one)


def lines(store: Store) -> Path:
    return store.folder / "traces.jsonl"


def test_what_is_created_is_read_again(store: Store) -> None:
    assert Store.open(store.folder).manifest() == manifest()
    assert list(store.traces()) == []


def test_traces_come_back_in_the_order_of_writing(store: Store) -> None:
    write(store, TWO, ONE, failure(BASELINE, "b"))
    assert list(Store.open(store.folder).traces()) == [TWO, ONE, failure(BASELINE, "b")]


def test_a_second_writer_adds_and_changes_nothing(store: Store) -> None:
    write(store, ONE)
    before = lines(store).read_bytes()
    write(store, TWO)
    assert lines(store).read_bytes().startswith(before)
    assert list(store.traces()) == [ONE, TWO]


def test_a_trace_can_be_read_while_its_writer_goes_on(store: Store) -> None:
    with store.writer() as writer:
        writer.traces.append(ONE)
        assert list(store.traces()) == [ONE]
        writer.traces.append(TWO)
        assert list(store.traces()) == [ONE, TWO]


def test_a_text_with_line_breaks_is_one_line(store: Store) -> None:
    odd = ONE.model_copy(update={"text": "a\nb\r\nc\u2028d\u0085\x0be"})
    write(store, odd, TWO)
    assert list(store.traces()) == [odd, TWO]


@pytest.mark.parametrize("place", ["early", "inside a character", "before the line's end"])
def test_a_torn_last_line_does_not_count_and_the_next_writer_cuts_it(store: Store, place: str) -> None:
    write(store, ONE)
    line = TWO.model_copy(update={"text": "é"}).model_dump_json().encode()
    cut = {"early": 9, "inside a character": line.index("é".encode()) + 1, "before the line's end": len(line)}[place]
    whole = lines(store).read_bytes()
    lines(store).write_bytes(whole + line[:cut])
    assert list(store.traces()) == [ONE]
    assert lines(store).read_bytes() == whole + line[:cut]  # a reader changes nothing
    write(store, TWO)
    assert list(store.traces()) == [ONE, TWO]
    assert len(lines(store).read_bytes().splitlines()) == 2


def test_a_file_of_one_torn_line_is_an_empty_run(store: Store) -> None:
    lines(store).write_bytes(b'{"arm": "no')
    assert list(store.traces()) == []
    write(store, ONE)
    assert list(store.traces()) == [ONE]


@pytest.mark.parametrize("bad", [b"{]", b"", b'{"arm": "none"}', b"[1]", b'{"arm": "\xff"}'])
def test_a_bad_line_in_the_middle_is_named_with_file_and_number(store: Store, bad: bytes) -> None:
    write(store, ONE)
    line = lines(store).read_bytes()
    lines(store).write_bytes(line + bad + b"\n" + line)
    with pytest.raises(DraftlabError, match=r"traces\.jsonl, line 2 is no trace: ") as caught:
        list(store.traces())
    assert "\n" not in str(caught.value)


def test_a_second_writer_at_the_same_time_is_refused(store: Store) -> None:
    with store.writer() as writer:
        with pytest.raises(DraftlabError, match="another process is writing to"), store.writer():
            pass
        writer.traces.append(ONE)
    write(store, TWO)  # the lock went with its holder
    assert list(store.traces()) == [ONE, TWO]


def test_a_manifest_can_be_read_by_whoever_can_read_the_folder(store: Store) -> None:
    write(store, ONE)
    assert (store.folder / "manifest.json").stat().st_mode == lines(store).stat().st_mode


def test_the_manifest_is_moved_into_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        seen.append(target.exists())
        assert json.loads(self.read_text())["schema"] == SCHEMA_VERSION  # complete before anybody can see it
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    store = Store.create(tmp_path / "run", manifest())
    assert seen == [False]
    assert [path.name for path in store.folder.iterdir()] == ["manifest.json"]


def test_a_run_is_never_created_over_another(store: Store) -> None:
    write(store, ONE)
    with pytest.raises(DraftlabError, match="there is already a run in") as caught:
        Store.create(store.folder, manifest(seed=9))
    assert "--resume" in (caught.value.hint or "")
    assert store.manifest().seed == 0
    assert list(store.traces()) == [ONE]


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
def test_a_folder_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(DraftlabError, match="exists and is no empty folder"):
        Store.create(tmp_path, manifest())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(DraftlabError, match="exists and is no empty folder"):
        Store.create(tmp_path / "run", manifest())


def test_an_empty_folder_can_become_a_run(tmp_path: Path) -> None:
    assert Store.create(tmp_path, manifest()).manifest() == manifest()


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match=r"is no run folder: it has no manifest\.json"):
        Store.open(tmp_path)


def test_the_runs_of_a_folder_are_listed_by_name_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("b", "a"):
        Store.create(tmp_path / name, manifest())
    assert [store.folder.name for store in list_runs(tmp_path)] == ["a", "b"]
    assert list_runs(tmp_path / "nowhere") == []
