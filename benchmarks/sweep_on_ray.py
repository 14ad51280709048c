"""A sweep on a real Ray cluster of two nodes here, with a worker and the driver killed, beside the same sweep in turn.

    python benchmarks/sweep_on_ray.py FOLDER [--target smollm2-135m-instruct]

It starts two nodes of one processor each, sweeps 24 cells on them, kills the process of one cell in the middle, then
the driver with `kill -9`, and resumes. Then the same grid runs on one local worker with one thread. Every cell has to
be there once, with the counts of the other sweep. Writes FOLDER/grid.toml, FOLDER/ray and FOLDER/in-turn.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from ray.cluster_utils import Cluster

from draftlab.grid.folder import SweepFolder
from draftlab.grid.measure import measure_grid
from draftlab.metrics import count

GRID = """\
target = "{target}"
drafters = {drafters}
gammas = [2, 4]
rules = ["rejection", "block"]
temperatures = [0.0, 0.8]
suites = ["code", "prose"]
limit = 2
max_new_tokens = 12
control = false
dtype = "float32"
"""
HEAD = "smollm2-135m-eagle3,compress=int8"  # auto chooses by a measurement, and not everywhere alike
DRAFTERS = {
    "toy": ["ngram", "model:toy:0.3", "model:toy:0.6"],
    "smollm2-135m-instruct": ["ngram", f"eagle:{HEAD}", f"lookup+eagle:{HEAD}"],
}
BIN = Path(sys.executable).parent


def main() -> int:
    """Run it, and say what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", choices=list(DRAFTERS), default="smollm2-135m-instruct")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    grid = asked.folder / "grid.toml"
    quoted = ", ".join(f'"{name}"' for name in DRAFTERS[asked.target])
    grid.write_text(GRID.format(target=asked.target, drafters=f"[{quoted}]"))
    on_ray = asked.folder / "ray"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    here = {"num_cpus": 1, "node_ip_address": "127.0.0.2"}  # loopback: Ray takes 127.0.0.1 for any address here
    cluster = Cluster(initialize_head=True, head_node_args={**here, "include_dashboard": False})
    try:
        cluster.add_node(**here)
        kill_in_the_middle(grid, on_ray, cluster.address)
        sweep(grid, on_ray, "--ray", cluster.address, "--resume").wait()
    finally:
        cluster.shutdown()
    in_turn = asked.folder / "in-turn"
    sweep(grid, in_turn, "--workers", "1").wait()
    return compare(SweepFolder(on_ray), SweepFolder(in_turn))


def sweep(grid: Path, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """`draftlab sweep`, with one thread wherever it runs."""
    command = [BIN / "draftlab", "sweep", grid, "--out", folder, *words]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def kill_in_the_middle(grid: Path, folder: Path, address: str) -> None:
    """After a quarter of the cells a worker is killed, after half of them the driver."""
    driver = sweep(grid, folder, "--ray", address)
    wait_for(lambda: SweepFolder.is_one(folder))
    num_cells = len(SweepFolder(folder).record().cells)
    wait_for(lambda: num_done(folder) >= num_cells // 4)
    wait_for(workers)
    victim = workers()[0]
    victim.kill()
    print(f"killed the worker {victim.pid} with {num_done(folder)} of {num_cells} cells in place", flush=True)
    wait_for(lambda: num_done(folder) >= num_cells // 2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    print(f"killed the driver with {num_done(folder)} of {num_cells} cells in place", flush=True)


def workers() -> list[psutil.Process]:
    """The processes that run a cell for Ray."""
    every = psutil.process_iter(["cmdline"])
    return [each for each in every if "ray::files_of_cell" in " ".join(each.info["cmdline"] or [])]


def wait_for(what: Callable[[], object]) -> None:
    """Until something is true, for an hour at most."""
    give_up = time.monotonic() + 3600
    while not what():
        if time.monotonic() > give_up:
            sys.exit("it never came to that")
        time.sleep(0.1)


def num_done(folder: Path) -> int:
    """How many cells are in their place."""
    return sum(1 for _ in (folder / "cells").iterdir())


def compare(on_ray: SweepFolder, in_turn: SweepFolder) -> int:
    """Every cell once in both, and drafted and accepted tokens the same in each arm."""
    cells = on_ray.record().cells
    keys = [cell.key for cell in cells]
    there = sorted(path.name for path in (on_ray.folder / "cells").iterdir())
    print(f"cells: {len(keys)}, in their place: {len(there)}, each once: {there == sorted(keys)}")
    same, compared, drafted, accepted = 0, 0, 0, 0
    for cell in cells:
        runs = [sweep.run(cell) for sweep in (on_ray, in_turn)]
        for arm in runs[0].arms("drafted") if runs[0] else []:
            ours, theirs = (count(run.traces_of(arm)) if run else None for run in runs)
            compared += 1
            same += ours is not None and theirs is not None and (
                (ours.drafted, ours.accepted, ours.judged) == (theirs.drafted, theirs.accepted, theirs.judged)
            )  # fmt: skip
            drafted, accepted = drafted + (ours.drafted if ours else 0), accepted + (ours.accepted if ours else 0)
    print(f"arms with the same counts of drafted, judged and accepted tokens: {same} of {compared}")
    print(f"tokens on Ray: {drafted} drafted, {accepted} accepted; failures: {measure_grid(on_ray).has_failures}")
    return int(there != sorted(keys) or same != compared)


if __name__ == "__main__":
    sys.exit(main())
