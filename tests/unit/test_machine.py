"""The counters of this machine: they only grow, and what is not there is None."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import PIPE, Popen

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


def test_the_time_of_a_child_that_runs_is_the_own() -> None:
    before = sample_machine("begin").own_ns
    code = "sum(range(3_000_000)); print(flush=True); input()"
    with Popen([sys.executable, "-c", code], stdin=PIPE, stdout=PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        used = sum(psutil.Process(child.pid).cpu_times()[:2])
        assert sample_machine("end").own_ns - before >= used * 1e9 > 0
        child.communicate("\n")


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
