"""`draftlab bench --concurrency`: plain against speculative serving, as users are added."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from draftlab.errors import DraftlabError
from draftlab.spec import Experiment

if TYPE_CHECKING:
    from draftlab.load.records import Block
    from draftlab.serving.started import Started


def bench_under_load(experiment: Experiment, concurrency: str, folder: Path, *, resume: bool, json: bool) -> None:
    """Measure, keep every block, and print what it comes to."""
    from draftlab.load.measure import measure_load
    from draftlab.load.prepare import prepare_load, read_levels
    from draftlab.load.run import read_load, run_load
    from draftlab.load.terminal import print_load
    from draftlab.report.printable import printable_line

    levels = read_levels(concurrency)
    if experiment.engine == "draftlab":
        raise DraftlabError(
            "--concurrency is of servers: draftlab's own engine decodes one text at a time",
            "Add --engine vllm, or --engine endpoint with --url and --plain-url.",
        )
    if not resume and folder.exists() and any(folder.iterdir()):  # before servers are started
        raise DraftlabError(f"{folder} is not empty", "Pass --resume to go on with it, or choose another --out.")

    def say(text: str) -> None:
        print(printable_line(text), file=sys.stderr, flush=True)

    def ended(block: Block, left: int) -> None:
        failed = sum(request.error is not None for request in block.requests)
        seconds = block.wall_ns / 1e9
        say(
            f"{block.level} users, {block.arm}: {len(block.requests)} requests in {seconds:.1f} s"
            f"{f', {failed} failed' if failed else ''}; blocks left: {left}"
        )

    try:
        with _servers(experiment, folder, say) as on:
            load = prepare_load(experiment, levels, on)
            run_load(load.settings, load.servers, load.prompts, folder, resume=resume, say=say, ended=ended)
    except KeyboardInterrupt:
        say(f"interrupted; go on with the same command and --resume --out {folder}")
        raise typer.Exit(130) from None
    report = measure_load(*read_load(folder), gamma=_gamma(experiment))
    if json:
        print(report.model_dump_json(indent=1))
    else:
        what = f"{experiment.engine}, {len(load.prompts)} prompts of {', '.join(experiment.suites)}"
        print_load(report, f"{what}, repetitions: {experiment.repetitions}")
        say(f"kept in {folder}")
    if any(arm.num_failed for level in report.levels for arm in (level.plain, level.speculative)):
        raise typer.Exit(1)


@contextmanager
def _servers(experiment: Experiment, folder: Path, say: Callable[[str], None]) -> Iterator[Started | None]:
    if experiment.engine == "endpoint":
        yield None
        return
    from draftlab.managed.run import servers_of

    with servers_of(experiment, folder, say) as on:
        yield on


def _gamma(experiment: Experiment) -> int:
    """Of a server that was not started here it is not known."""
    gamma = experiment.gammas[0]
    return gamma if experiment.engine != "endpoint" and isinstance(gamma, int) else 0
