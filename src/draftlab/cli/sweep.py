"""`draftlab sweep`: a grid of experiments, on this machine, a Ray cluster, or Slurm."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from draftlab.cli import options
from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from draftlab.grid.spec import Grid
    from draftlab.spec import Experiment
    from draftlab.sweep.outcome import Workers


def sweep(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC.toml", help="Lists of what is to be tried.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Sweep folder. [default: sweeps/<time>]", show_default=False)] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Finish the sweep in --out: what is missing, also of a grid that has grown."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Cells at once on this machine. [default: one for each GPU, else 1]")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on this Ray cluster; auto: the one here.", show_default=False),
    ] = None,
    slurm: Annotated[
        str | None, typer.Option(metavar="PARTITION", help="Run as jobs of this Slurm partition.", show_default=False)
    ] = None,
    slurm_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A setting of submitit, as timeout_min=120; may repeat.", show_default=False
        ),
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(min=1, help="Processors for each cell, with --ray and --slurm. [default: 1]")
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(min=0, help="GPUs for each cell. [default: with --ray as many as it needs, with --slurm 0]"),
    ] = None,
    list_cells: Annotated[bool, typer.Option("--list", help="Print the cells, and run nothing.")] = False,
    html: options.Html = None,
    json: options.Json = False,
) -> None:
    """Run every combination of targets, drafters, draft lengths, rules, temperatures and suites, each once.

    A combination of target, drafter, rule, temperature and suite is a cell: one run, in which plain decoding and all
    draft lengths take turns on one device. Cells that are complete are never run again.
    """
    from draftlab.grid.cells import cells_of
    from draftlab.grid.folder import SweepFolder
    from draftlab.grid.spec import read_grid
    from draftlab.spec import make_experiment

    grid = read_grid(spec)
    if list_cells:
        _list(grid)
        return
    if resume and out is None:
        raise DraftlabError("--resume does not know which sweep to finish", "Name its folder with --out.")
    folder = out or Path("sweeps") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    _require_one_way(workers, ray, slurm, slurm_set, cpus, gpus)
    SweepFolder.prepare(folder, resume=resume)  # before torch is loaded, as all that can be told without it
    (first, *_) = cells_of(grid)
    experiment = make_experiment(first.experiment)
    if ray is not None:
        crew: Workers = _on_ray(ray, experiment, cpus, gpus)
    elif slurm is not None:
        crew = _on_slurm(slurm, slurm_set or [], cpus, gpus)
    else:
        crew = _here(workers, experiment)
    _run(grid, folder, crew, resume=resume)
    _report(folder, html, json=json)


def _list(grid: Grid) -> None:
    from draftlab.grid.cells import cells_of
    from draftlab.report.printable import printable_line

    for cell in cells_of(grid):
        print(printable_line(f"{cell.key}  {cell.title}"))


def _require_one_way(
    number: int | None,
    ray: str | None,
    slurm: str | None,
    slurm_set: list[str] | None,
    cpus: int | None,
    gpus: int | None,
) -> None:
    if sum(each is not None for each in (number, ray, slurm)) > 1:
        raise DraftlabError("--workers, --ray and --slurm are three ways of running cells", "Give one of them.")
    if slurm_set and slurm is None:
        raise DraftlabError("--slurm-set is of --slurm, which was not given", "Add --slurm PARTITION.")
    if ray is None and slurm is None and (cpus is not None or gpus is not None):
        raise DraftlabError(
            "--cpus and --gpus are of --ray and --slurm", "Here --workers says how many cells run at once."
        )


def _on_ray(address: str, experiment: Experiment, cpus: int | None, gpus: int | None) -> Workers:
    from draftlab.sweep.on_ray import RayWorkers
    from draftlab.sweep.slots import gpus_per_cell

    needed = gpus_per_cell(experiment)
    if needed is None and gpus is None:
        raise DraftlabError(
            "with --device spread a cell takes as many GPUs as it is given", "Say how many with --gpus."
        )
    fixed = gpus if gpus is not None else (needed if needed != 1 else None)  # 1 only where the cluster has any
    return RayWorkers(address, cpus or 1, fixed)


def _on_slurm(partition: str, given: list[str], cpus: int | None, gpus: int | None) -> Workers:
    from draftlab.sweep.on_slurm import SlurmWorkers

    return SlurmWorkers(partition, cpus or 1, gpus or 0, dict(map(_setting, given)))


def _here(number: int | None, experiment: Experiment) -> Workers:
    from draftlab.sweep.local import LocalWorkers
    from draftlab.sweep.slots import slots_here

    return LocalWorkers(slots_here(number, experiment))


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise DraftlabError(f"--slurm-set cannot be {text}", "Write NAME=VALUE, as timeout_min=120.")
    return name, int(value) if value.isdecimal() else value


def _run(grid: Grid, folder: Path, workers: Workers, *, resume: bool) -> None:
    from draftlab.cli.sweep_progress import SweepProgress
    from draftlab.report.printable import printable_line
    from draftlab.sweep.run import run_sweep

    with SweepProgress() as progress:
        try:
            run_sweep(grid, folder, workers, command=tuple(sys.argv), resume=resume, listener=progress)
        except KeyboardInterrupt:
            progress.stop()
            line = f"interrupted; finish it with the same command and --resume --out {folder}"
            print(printable_line(line), file=sys.stderr)
            raise typer.Exit(130) from None


def _report(folder: Path, html: Path | None, *, json: bool) -> None:
    from draftlab.cli.grid_report import tell_grid
    from draftlab.report.printable import printable_line

    found = tell_grid(folder, html, json=json)
    if not json:
        print(f"\n{printable_line(f'kept in {folder}; again with: draftlab report {folder}')}", file=sys.stderr)
    if found.has_failures:
        raise typer.Exit(1)
