"""`draftlab train`: a drafter from the target's own texts, a new one or one that learns on."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from draftlab.cli import options
from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from draftlab.train.run import Trained


def train(
    target: options.Target = None,
    student: Annotated[
        str | None,
        typer.Option(
            help="head: reads the target's hidden states. model: a small model, for any engine. [default: head]"
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Text files, folders or suites that are like your prompts. [default: texts of this machine]"),
    ] = None,
    runs: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Go on with the head of this run, on its prompts; may repeat.",
            show_default=False,
        ),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(metavar="eagle:HEAD", help="Begin with this head. [default: a new one, or that of --from]"),
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="How long it may take. [default: 20]")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the drafter. [default: drafters/<time>]", show_default=False)
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run of --out.")] = False,
    draft_vocab: Annotated[
        int | None, typer.Option(help="How many tokens the drafter can propose. [default: 8192]")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="forward-kl, reverse-kl, total-variation, likeliest, or a sum: 0.6*forward-kl+0.4*likeliest. "
            "[default: that sum]"
        ),
    ] = None,
    steps_ahead: Annotated[int | None, typer.Option(help="How far it learns to run ahead. [default: 3]")] = None,
    layers: Annotated[
        str | None, typer.Option(help="After which layers hidden states are read, such as 10,20,30.")
    ] = None,
    position_decay: Annotated[
        float | None, typer.Option(help="What each further step ahead counts in the loss. [default: 0.8]")
    ] = None,
    num_layers: Annotated[
        int | None, typer.Option(help="Of a small model. [default: one for eight of the target's]")
    ] = None,
    from_layers: Annotated[
        str | None,
        typer.Option(help="Layers of the target, from 0 on, that it begins with, such as 0,10,20,29; or fresh."),
    ] = None,
    on_policy: Annotated[
        float | None, typer.Option(help="Of so many of its batches a small model writes the ends. [default: 0]")
    ] = None,
    seed: options.Seed = None,
    dtype: options.Dtype = None,
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the target's texts and hidden states.")] = False,
) -> None:
    """Train a drafter on the target's own texts: a head in EAGLE-3's format, new or one that learns on, or a small
    language model."""
    from pydantic import ValidationError

    from draftlab.cli.progress import Steps
    from draftlab.spec import Experiment
    from draftlab.train.settings import TrainSettings

    given = options.given(
        target=target, student=student, data=data, runs=runs, start_from=start_from, minutes=minutes,
        draft_vocab=draft_vocab, loss=loss, steps_ahead=steps_ahead,
        layers_read=None if layers is None else _numbers("layers", layers),
        position_decay=position_decay, num_layers=num_layers,
        from_layers=from_layers if from_layers in (None, "fresh") else _numbers("from-layers", from_layers),
        on_policy=on_policy, seed=seed, dtype=dtype, device=device, trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )  # fmt: skip
    settings = None
    if resume:
        if out is None or given.keys() - {"trust_remote_code", "allow_pickle"}:
            raise DraftlabError(
                "--resume needs --out, and takes every setting from there",
                "Leave out the others, but --keep, --trust-remote-code and --allow-pickle.",
            )
        folder = out
    else:
        folder = out or Path("drafters") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
        if runs:
            from draftlab.train.past_runs import with_runs

            given = with_runs(runs, given)
        try:
            settings = TrainSettings(**{"target": Experiment.model_fields["target"].default, **given})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).replace("_", "-")
            hint = first["msg"].removeprefix("Value error, ")
            raise DraftlabError(f"--{name} cannot be {first['input']!r}", hint) from error

    from draftlab.train.processes import Processes
    from draftlab.train.run import train as run
    from draftlab.train.state import Trusted, kept_state

    trusted = Trusted(bool(trust_remote_code), bool(allow_pickle))
    processes = Processes.launched((settings or kept_state(folder).settings).device)
    try:
        with Steps() as steps:
            trained = run(settings, folder, steps, keep=keep, trusted=trusted, processes=processes)
    except KeyboardInterrupt:
        command = shlex.join(["draftlab", "train", "--resume", "--out", str(folder), *trusted.flags])
        typer.echo(f"\ninterrupted; go on with: {command}", err=True)
        raise typer.Exit(130) from None
    if processes.is_first:
        _show(trained)


def _show(trained: Trained) -> None:
    last = trained.curve[-1]
    typer.echo(f"{trained.folder}: {trained.num_bytes / 1e6:.1f} MB")
    typer.echo(last.line())
    if trained.gain:
        typer.echo(trained.gain)
    words = ["--drafter", f"{trained.drafter}:{trained.folder}", "--gamma", str(last.gamma), "--target", trained.target]
    typer.echo(f"measure it: draftlab bench {shlex.join(words)}")


def _numbers(flag: str, text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise DraftlabError(f"--{flag} cannot be '{text}'", "Write numbers with commas, such as 10,20,29.") from error
