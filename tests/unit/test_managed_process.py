"""A server that is started: until when it lives, what it is given, and what is said where it does not come up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from draftlab.endpoint.client import Client
from draftlab.errors import DraftlabError
from draftlab.managed.engines import CONFIG, Launch
from draftlab.managed.process import end_left_overs, started
from tests.unit.managing import be_impatient, lives, quiet, serve


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


@pytest.mark.parametrize("how", ["well", "stubborn"])
def test_a_server_lives_as_long_as_its_block(tmp_path: Path, how: str) -> None:
    with started("plain", serve(how), tmp_path, quiet) as url:
        pid, _ = json.loads((tmp_path / "plain.pid").read_text())
        assert lives(pid)
        assert url.startswith("http://127.0.0.1:")
        with Client(url) as client:
            assert client.models() == ["small"]
    assert not lives(pid)
    assert not (tmp_path / "plain.pid").exists()


def test_one_that_ends_at_once_is_told_with_its_last_error(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="status 1 before it was ready: ValueError: this engine") as caught:
        started("plain", serve("fails"), tmp_path, quiet).__enter__()
    assert "plain.log" in str(caught.value.hint)


def test_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DraftlabError, match=r"was not ready within 0\.5 s"):
        started("plain", serve("sleeps"), tmp_path, quiet, ready_s=0.5).__enter__()
    assert time.monotonic() - begun < 30
    mine = {each.pid for each in psutil.Process().children(recursive=True)}  # others may run these tests beside us
    programs = [each for each in psutil.process_iter(["cmdline"]) if "sleeps" in (each.info["cmdline"] or [])]
    assert not mine & {each.pid for each in programs}


def test_what_a_killed_run_left_behind_is_ended_and_nothing_else(tmp_path: Path) -> None:
    left = subprocess.Popen(serve("sleeps").words(1, tmp_path), start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        (tmp_path / "plain.pid").write_text(json.dumps([left.pid, psutil.Process(left.pid).create_time()]))
        (tmp_path / "speculative.pid").write_text(json.dumps([other.pid, 1.0]))  # the number went to another program
        for name in ("plain", "speculative"):
            with started(name, serve("well"), tmp_path, quiet):
                pass
        assert left.wait(timeout=60) != 0
        assert other.poll() is None
    finally:
        left.kill()
        other.kill()
        left.wait()
        other.wait()


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match="cannot start /nowhere/python"):
        started("plain", Launch(["/nowhere/python"]), tmp_path, quiet).__enter__()


def test_what_was_left_behind_is_ended_before_memory_is_counted(tmp_path: Path) -> None:
    left = subprocess.Popen(serve("sleeps").words(1, tmp_path), start_new_session=True)
    try:
        (tmp_path / "plain.pid").write_text(json.dumps([left.pid, psutil.Process(left.pid).create_time()]))
        end_left_overs(tmp_path)
        assert left.wait(timeout=60) != 0
    finally:
        left.kill()
        left.wait()


def test_a_file_is_written_before_its_server_is_started(tmp_path: Path) -> None:
    made = Launch([*serve("well").command, CONFIG], config="a: 1\n")
    with started("plain", made, tmp_path, quiet):
        (config,) = tmp_path.glob("*.yaml")
        assert config.read_text() == "a: 1\n"
        pid, _ = json.loads((tmp_path / "plain.pid").read_text())
        assert psutil.Process(pid).cmdline()[-1] == str(config)
