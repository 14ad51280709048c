"""The counters of this machine: they only grow, and what is not there is None."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from draftlab.bench.machine import _throttled, sample_machine


def test_counters_grow_and_the_own_time_is_part_of_all() -> None:
    begin = sample_machine("begin")
    sum(range(200_000))
    end = sample_machine("end")
    assert (begin.moment, end.moment) == ("begin", "end")
    assert end.time_ns >= begin.time_ns
    assert end.busy_ns >= begin.busy_ns
    assert end.own_ns >= begin.own_ns > 0


def test_the_own_time_is_that_of_all_that_was_started_while_it_lives_and_afterwards() -> None:
    burns = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burns!r}])"
    before = sample_machine("begin").own_ns
    with subprocess.Popen(
        [sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # a server of a session of its own, with a worker that has worked
        during = sample_machine("end").own_ns
        process.communicate(b"\n")
    assert during - before > 0.25e9
    assert sample_machine("end").own_ns >= during


def test_counters_that_the_system_hides_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*arguments: object) -> None:
        raise OSError("no /proc/vmstat")

    monkeypatch.setattr(psutil, "swap_memory", hidden)
    monkeypatch.setattr(psutil, "cpu_freq", hidden)
    sample = sample_machine("begin")
    assert (sample.swapped_in_bytes, sample.swapped_out_bytes, sample.clock_hz) == (None, None, None)


def test_throttling_is_counted_over_the_cores(tmp_path: Path) -> None:
    for core, count in enumerate(("3\n", "4\n", "?")):
        folder = tmp_path / f"devices/system/cpu/cpu{core}/thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(count)
    assert _throttled(tmp_path) == 7


def test_a_processor_that_does_not_tell_was_not_found_unthrottled(tmp_path: Path) -> None:
    assert _throttled(tmp_path) is None
