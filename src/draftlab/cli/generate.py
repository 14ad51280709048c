"""`draftlab generate`: one answer, streamed, each token in the colour of its origin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from draftlab.cli import options
from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from rich.console import Console

    from draftlab.events import Event
    from draftlab.streaming import TextStream
    from draftlab.types import Round
    from draftlab.workbench import Workbench


def generate(
    target: options.Target = None,
    drafter: Annotated[str, typer.Option("--drafter", "-d", help="NAME[:ARGUMENT][,OPTION=VALUE...]")] = "ngram",
    gamma: Annotated[
        str,
        typer.Option(
            "--gamma",
            "--num-speculative-tokens",
            metavar="N|auto",
            help="Most tokens drafted per round, or auto: as many as pay.",
        ),
    ] = "5",
    prompt: Annotated[str, typer.Option("--prompt", "-p", help="The prompt, or - for standard input.")] = "-",
    chat: Annotated[bool, typer.Option("--chat", help="Send the prompt through the chat template.")] = False,
    rule: options.Rule = None,
    max_new_tokens: options.MaxNewTokens = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    repetition_penalty: options.RepetitionPenalty = None,
    stop: options.Stop = None,
    ignore_eos: options.IgnoreEos = None,
    seed: options.Seed = None,
    exact: options.Exact = None,
    dtype: options.Dtype = None,
    device: options.Device = None,
    tensor_parallel: options.TensorParallel = None,
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    json: options.Json = False,
) -> None:
    """Write one text. On a terminal, colours tell accepted tokens from the target's own."""
    from json import dumps

    from draftlab.spec import AUTO_GAMMA, DEFAULT_TARGET, make_experiment

    settings = options.given(
        rule=rule, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
        repetition_penalty=repetition_penalty, stop_strings=stop, ignore_eos=ignore_eos, seed=seed, exact=exact,
        dtype=dtype, device=device, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
        tensor_parallel=tensor_parallel,
    )  # fmt: skip
    text = _read_prompt(prompt)
    # Bad settings are told without waiting for torch.
    (length,) = make_experiment({**settings, "gammas": (gamma,)}).gammas

    from draftlab.api import generate as decode
    from draftlab.report.printable import printable_line

    screen = None if json else _Screen(AUTO_GAMMA if length == "auto" else length)
    result = decode(
        text,
        target=target or DEFAULT_TARGET,
        drafter=drafter,
        gamma=length,
        chat=chat,
        listen=screen.listen if screen else None,
        say=lambda line: print(printable_line(line), file=sys.stderr),
        **settings,
    )
    if screen is None:
        print(dumps(result.document()))
    else:
        print(f"\n{result.summary}", file=sys.stderr)


def _read_prompt(prompt: str) -> str:
    try:
        text = sys.stdin.read() if prompt == "-" else prompt
        text.encode()  # what the system hands over may hold bytes that are no text
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DraftlabError(f"the prompt is not UTF-8 text: {error.reason}", "Convert it first.") from error
    return text


class _Screen:
    """Prints tokens as they are committed, and before them what their colours mean."""

    def __init__(self, gamma: int) -> None:
        from rich.console import Console

        self._gamma = gamma
        self._console = Console(highlight=False)
        self._notes = Console(stderr=True, highlight=False)
        self._stream: TextStream | None = None

    def listen(self, event: Event, bench: Workbench) -> None:
        from draftlab.events import Committed, Finished, Started
        from draftlab.streaming import TextStream

        match event:
            case Started():
                self._stream = TextStream(bench.target.tokenizer.decode)
                self._explain()
            case Committed(outcome) if self._stream is not None:
                self._commit(outcome, self._stream)
            case Finished() if self._stream is not None:
                self._write(self._stream.flush() + "\n")

    def _explain(self) -> None:
        """The legend, where there are colours and somebody to read it."""
        from rich.text import Text

        from draftlab.report.origins import legend

        if _has_colors(self._console) and _has_colors(self._notes):
            parts = [Text(name, style=color or "") for name, color in legend(self._gamma)]
            self._notes.print(Text(" · ", style="dim").join(parts))

    def _commit(self, outcome: Round, stream: TextStream) -> None:
        from draftlab.records import Rounds
        from draftlab.report.origins import color, places

        numbers = (outcome.num_drafted,), (outcome.num_accepted,), (len(outcome.emitted),)
        rounds = Rounds(drafted=numbers[0], accepted=numbers[1], emitted=numbers[2])
        for token, place in zip(outcome.emitted, places(rounds), strict=True):
            self._write(stream.push(token), color(place, self._gamma))

    def _write(self, text: str, color: str | None = None) -> None:
        from rich.text import Text

        from draftlab.report.printable import printable

        # A Text is never read as markup, and wrapping is left to the terminal.
        self._console.print(Text(printable(text), style=color or ""), end="", soft_wrap=True)


def _has_colors(console: Console) -> bool:
    return console.is_terminal and console.color_system is not None and not console.no_color
