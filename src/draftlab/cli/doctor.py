"""`draftlab doctor`: will this target and this drafter work together, here and elsewhere, and does it pay?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import options


def doctor(
    target: options.Target = None,
    drafter: Annotated[str, typer.Option("--drafter", "-d", help="model:NAME, or ngram for prompt lookup.")] = "ngram",
    gamma: Annotated[int, typer.Option("--gamma", help="The longest drafts that passes are timed for.")] = 8,
    context: Annotated[
        int | None,
        typer.Option(help="Tokens of the longest text, for the memory. [default: 2048, or what the target takes]"),
    ] = None,
    timing: Annotated[bool, typer.Option("--timing/--no-timing", help="Load the models and time a few passes.")] = True,
    write_padded: Annotated[
        Path | None, typer.Option(help="Write a copy of the drafter in the target's width into this new folder.")
    ] = None,
    dtype: options.Dtype = None,
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    json: options.Json = False,
) -> None:
    """Examine a pair by its configurations and tokenizers, then time a few passes if the weights are here and fit.

    Ends with status 1 where a problem prevents speculation.
    """
    from draftlab.errors import DraftlabError
    from draftlab.spec import DEFAULT_TARGET, make_experiment

    settings = options.given(
        target=target or DEFAULT_TARGET, drafters=(drafter,), gammas=(gamma,), dtype=dtype, device=device,
        trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
    )  # fmt: skip
    experiment = make_experiment(settings)
    if gamma < 1:
        raise DraftlabError(f"--gamma cannot be {gamma}", "Drafts have at least one token.")
    if context is not None and context < 1:
        raise DraftlabError(f"--context cannot be {context}", "Texts have at least one token.")

    from draftlab.cli.progress import Steps
    from draftlab.doctor.run import Wishes, examine
    from draftlab.doctor.terminal import print_diagnosis

    with Steps() as steps:
        try:
            diagnosis = examine(experiment, Wishes(context, timing, write_padded), steps.say)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    if json:
        print(diagnosis.model_dump_json(by_alias=True, indent=1))
    else:
        print_diagnosis(diagnosis)
    if diagnosis.problems:
        raise typer.Exit(1)
