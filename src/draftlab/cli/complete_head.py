"""`draftlab complete-head`: a copy of an EAGLE-3 head that stores its `lm_head`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import options


def complete_head(
    target: Annotated[str, typer.Argument(help="A hub id, folder, .gguf file or catalogue name.")],
    head: Annotated[str, typer.Argument(help="The folder, hub id or catalogue name of an EAGLE-3 head of it.")],
    out: Annotated[Path, typer.Argument(help="The new folder.")],
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    json: options.Json = False,
) -> None:
    """Write a copy of an EAGLE-3 head with the rows of its target's head, for engines that do not gather them.

    The copy is loaded again before it is put into its place, and has to be the same network bit for bit.
    """
    from draftlab.spec import make_experiment

    name = head.removeprefix("eagle:")
    settings = options.given(
        target=target, drafters=(f"eagle:{name}",), trust_remote_code=trust_remote_code, allow_pickle=allow_pickle
    )
    experiment = make_experiment(settings)

    from draftlab.cli.progress import Steps
    from draftlab.doctor.completing import write_complete
    from draftlab.doctor.terminal import print_completed

    with Steps() as steps:
        try:
            completed = write_complete(experiment, name, out, steps.say)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    if json:
        print(completed.model_dump_json(indent=1))
    else:
        print_completed(completed)
