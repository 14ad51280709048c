"""`draftlab pad-drafter`: a copy of a drafter in the width of its target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import options


def pad_drafter(
    target: Annotated[str, typer.Argument(help="A hub id, folder, .gguf file or catalogue name.")],
    drafter: Annotated[str, typer.Argument(help="The same of the drafter.")],
    out: Annotated[Path, typer.Argument(help="The new folder.")],
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    json: options.Json = False,
) -> None:
    """Write a copy of a drafter that is as wide as its target, for engines that compare widths.

    The copy is loaded again before it is put into its place, and has to have the logits of the original.
    """
    from draftlab.spec import make_experiment

    name = drafter.removeprefix("model:")
    settings = options.given(
        target=target, drafters=(f"model:{name}",), trust_remote_code=trust_remote_code, allow_pickle=allow_pickle
    )
    experiment = make_experiment(settings)

    from draftlab.cli.progress import Steps
    from draftlab.doctor.run import pad
    from draftlab.doctor.terminal import print_padded

    with Steps() as steps:
        try:
            padded = pad(experiment, name, out, steps.say)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    if json:
        print(padded.model_dump_json(indent=1))
    else:
        print_padded(padded)
