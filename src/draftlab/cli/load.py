"""`draftlab bench --concurrency`: plain against speculative serving, as users are added."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from draftlab.load.records import Block
    from draftlab.serving.started import Started
    from draftlab.spec import Experiment


def bench_under_load(experiment: Experiment, concurrency: str, folder: Path, *, resume: bool, json: bool) -> None:
    """Measure each draft length, keep every block, and print what it comes to."""
    from draftlab.load.lengths import folder_of
    from draftlab.load.prepare import read_levels
    from draftlab.load.run import holds_load

    levels = read_levels(concurrency)
    if experiment.engine == "draftlab":
        raise DraftlabError(
            "--concurrency is of servers: draftlab's own engine decodes one text at a time",
            "Add --engine vllm, or --engine endpoint with --url and --plain-url.",
        )
    if not resume and folder.exists() and any(folder.iterdir()):  # before servers are started
        raise DraftlabError(f"{folder} is not empty", "Pass --resume to go on with it, or choose another --out.")
    gammas = list(dict.fromkeys(experiment.gammas))
    try:
        for gamma in gammas:
            one = experiment.model_copy(update={"gammas": (gamma,)})
            place = folder_of(folder, gamma, gammas)
            if len(gammas) > 1:
                _say(f"draft length {gamma}")
            _measure(one, levels, place, resume=resume and (len(gammas) == 1 or holds_load(place)))
    except KeyboardInterrupt:
        _say(f"interrupted; go on with the same command and --resume --out {folder}")
        raise typer.Exit(130) from None
    failed = tell_load(folder, json=json)
    if not json:
        _say(f"kept in {folder}; again with: draftlab report {folder}")
    if failed:
        raise typer.Exit(1)


def tell_load(folder: Path, *, json: bool) -> bool:
    """Print what the measurements in `folder` come to; whether any request failed."""
    from draftlab.load.lengths import measure_lengths
    from draftlab.load.terminal import print_lengths

    report, settings = measure_lengths(folder)
    if json:
        only = list(report.lengths.values())
        print((only[0] if len(only) == 1 else report).model_dump_json(indent=1))
    else:
        print_lengths(report, settings)
    return report.has_failures


def _say(text: str) -> None:
    from draftlab.report.printable import printable_line

    print(printable_line(text), file=sys.stderr, flush=True)


def _measure(experiment: Experiment, levels: tuple[int, ...], folder: Path, *, resume: bool) -> None:
    from draftlab.load.prepare import prepare_load
    from draftlab.load.run import run_load

    def ended(block: Block, left: int) -> None:
        failed = sum(request.error is not None for request in block.requests)
        seconds = block.wall_ns / 1e9
        _say(
            f"{block.level} users, {block.arm}: {len(block.requests)} requests in {seconds:.1f} s"
            f"{f', {failed} failed' if failed else ''}; blocks left: {left}"
        )

    with _servers(experiment, folder, _say, resume=resume) as (on, experiment):
        load = prepare_load(experiment, levels, on)
        run_load(load.settings, load.servers, load.prompts, folder, resume=resume, say=_say, ended=ended)


@contextmanager
def _servers(
    experiment: Experiment, folder: Path, say: Callable[[str], None], *, resume: bool
) -> Iterator[tuple[Started | None, Experiment]]:
    """The servers that are started for it, and the experiment as it is, or was, noted."""
    if experiment.engine == "endpoint":
        yield None, experiment
        return
    from draftlab.load.run import read_load
    from draftlab.managed.mode import as_begun, as_found
    from draftlab.managed.run import servers_of

    record = read_load(folder)[0].experiment if resume else {}
    with servers_of(as_begun(experiment, record, say), folder, say) as on:
        if not resume:
            yield on, as_found(experiment, on)
        elif "servers" in record:  # a measurement goes on with what is noted alone
            yield on, experiment.model_copy(update={"servers": record["servers"]})
        else:
            yield on, experiment
