"""Flags that several verbs share, each declared once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Target = Annotated[
    str | None,
    typer.Option("--target", "-t", help="A hub id, folder, .gguf file or catalogue name.", show_default=False),
]
Gamma = Annotated[
    list[str] | None,
    typer.Option(
        "--gamma",
        "--num-speculative-tokens",
        metavar="N|auto",
        help="Most tokens drafted per round, or auto: as many as pay; may repeat. [default: 5]",
    ),
]
Drafters = Annotated[
    list[str] | None,
    typer.Option("--drafter", "-d", help="NAME[:ARGUMENT][,OPTION=VALUE...]; may repeat. [default: ngram]"),
]
Suites = Annotated[
    list[str] | None,
    typer.Option("--suite", "-s", help="A suite's name or .jsonl file; may repeat. [default: code, prose]"),
]
Rule = Annotated[str | None, typer.Option(help="Verification rule. [default: rejection]")]
MaxNewTokens = Annotated[int | None, typer.Option(help="New tokens per prompt. [default: the prompt's own, else 128]")]
Temperature = Annotated[float | None, typer.Option(help="0 is greedy. [default: 0]")]
TopK = Annotated[int | None, typer.Option(help="0: off. [default: the checkpoint's]")]
TopP = Annotated[float | None, typer.Option(help="1: off. [default: the checkpoint's]")]
MinP = Annotated[float | None, typer.Option(help="0: off. [default: the checkpoint's]")]
RepetitionPenalty = Annotated[float | None, typer.Option(help="1: off. [default: the checkpoint's]")]
Stop = Annotated[list[str] | None, typer.Option("--stop", help="End a text at this string; may repeat.")]
IgnoreEos = Annotated[bool | None, typer.Option("--ignore-eos", help="Go on after stop tokens.")]
Seed = Annotated[int | None, typer.Option(help="All chance follows from it. [default: 0]")]
Exact = Annotated[
    bool | None,
    typer.Option("--exact", help="Run all target passes in one shape: greedy texts are identical in 16 bit too."),
]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16. [default: the checkpoint's]")]
Device = Annotated[
    str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps, or spread: over all GPUs. [default: auto]")
]
TensorParallel = Annotated[
    int | None,
    typer.Option(
        "--tensor-parallel",
        "--tensor-parallel-size",
        metavar="N",
        help="Split every layer of the target over N GPUs, a process each.",
        show_default=False,
    ),
]
TrustRemoteCode = Annotated[bool | None, typer.Option("--trust-remote-code", help="Run code that comes with a model.")]
AllowPickle = Annotated[bool | None, typer.Option("--allow-pickle", help="Load pickled weights, which can run code.")]
Engine = Annotated[
    str | None,
    typer.Option(
        help="draftlab; endpoint: an OpenAI-compatible server; vllm, sglang, llama.cpp or trtllm: servers of it are "
        "started for the run. [default: draftlab]"
    ),
]
EngineProgram = Annotated[
    str | None,
    typer.Option(
        help="The Python that has vLLM or SGLang, or the file llama-server or trtllm-serve.",
        metavar="FILE",
        show_default=False,
    ),
]
Servers = Annotated[
    str | None,
    typer.Option(
        help="together, or in-turn: only one of the two started servers is up at a time. "
        "[default: together where memory holds both and there is no GPU]",
        show_default=False,
    ),
]
Url = Annotated[str | None, typer.Option(help="The server, as http://127.0.0.1:8000/v1.", show_default=False)]
PlainUrl = Annotated[
    str | None, typer.Option(help="The same model without speculation, to compare with.", show_default=False)
]
Model = Annotated[str | None, typer.Option(help="What the server calls the model. [default: the only one]")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write one page that opens anywhere, offline.", show_default=False),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="CONDITION",
        help="End with status 1 where any arm has this: [CATEGORY:]METRIC[.low|.high] OP NUMBER, as in "
        "'walltime_speedup.low < 1.2'; may repeat.",
    ),
]


def given(**settings: Any) -> dict[str, Any]:
    """Only what was given on the command line."""
    return {name: value for name, value in settings.items() if value is not None and value != []}


def tell_written(path: Path, num_bytes: int) -> None:
    """Say where a file was written, and how large it is."""
    print(f"written: {shown(path)} ({num_bytes / 1e3:.0f} kB)", file=sys.stderr)


def shown(path: Path) -> str:
    """A path as a terminal may show it."""
    from draftlab.report.printable import printable

    return printable(str(path).replace("\n", " "))
