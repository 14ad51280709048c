"""`draftlab export`: the arm of a run that pays, as another engine takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import options


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    to: Annotated[
        str, typer.Option("--to", help="vllm, sglang, llama.cpp, trtllm or transformers.", show_default=False)
    ],
    arm: Annotated[
        str | None, typer.Option("--arm", metavar="ID", help="This arm. [default: the fastest that pays]")
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="vLLM plays the measured acceptance back, to time it on its kernels.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it to this file.", show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """Print the command or file for another engine, with what it refuses or changes as comments.

    Where no arm pays with its interval, plain serving is exported and said to be.
    """
    from draftlab.export.choice import choose
    from draftlab.export.exporters import exporter

    engine = exporter(to)
    choice = choose(run, arm)

    from draftlab.export.run import export as export_choice

    exported = export_choice(choice, engine, synthetic=synthetic)
    if out is not None:
        _write(out, exported.file)
    if json:
        print(exported.model_dump_json(by_alias=True, indent=1))
    elif out is None:
        print(exported.file, end="")


def _write(out: Path, text: str) -> None:
    from draftlab.errors import DraftlabError

    try:
        num_bytes = out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DraftlabError(f"cannot write {out}: {error.strerror}", "May you write there?") from error
    options.tell_written(out, num_bytes)
