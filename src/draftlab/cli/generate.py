"""`draftlab generate`: one answer, streamed, with the tokens that came from the drafter in colour."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from draftlab.cli import options
from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from draftlab.events import Event
    from draftlab.streaming import TextStream
    from draftlab.workbench import Workbench

_DRAFTED = "green"


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
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    json: options.Json = False,
) -> None:
    """Write one text. Green tokens were drafted and accepted; the others are the target's own."""
    from dataclasses import asdict
    from json import dumps

    from draftlab.spec import DEFAULT_TARGET, make_experiment

    settings = options.given(
        rule=rule, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
        repetition_penalty=repetition_penalty, stop_strings=stop, ignore_eos=ignore_eos, seed=seed, exact=exact,
        dtype=dtype, device=device, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
    )  # fmt: skip
    text = _read_prompt(prompt)
    # Bad settings are told without waiting for torch.
    (length,) = make_experiment({**settings, "gammas": (gamma,)}).gammas

    from draftlab.api import generate as decode

    screen = None if json else _Screen()
    result = decode(
        text,
        target=target or DEFAULT_TARGET,
        drafter=drafter,
        gamma=length,
        chat=chat,
        listen=screen.listen if screen else None,
        say=lambda line: print(line, file=sys.stderr),
        **settings,
    )
    if screen is None:
        print(dumps(asdict(result)))
        return
    per_pass = (result.num_accepted + result.num_rounds) / result.num_rounds
    print(
        f"\n{len(result.tokens)} tokens in {result.decode_s:.2f} s ({len(result.tokens) / result.decode_s:.1f}/s), "
        f"{result.num_rounds} target passes, {per_pass:.2f} tokens a pass, "
        f"{result.num_accepted} of {result.num_drafted} drafted tokens accepted; ended by: {result.stop}",
        file=sys.stderr,
    )


def _read_prompt(prompt: str) -> str:
    try:
        text = sys.stdin.read() if prompt == "-" else prompt
        text.encode()  # what the system hands over may hold bytes that are no text
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise DraftlabError(f"the prompt is not UTF-8 text: {error.reason}", "Convert it first.") from error
    return text


class _Screen:
    """Prints tokens as they are committed."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False)
        self._stream: TextStream | None = None

    def listen(self, event: Event, bench: Workbench) -> None:
        from draftlab.events import Committed, Finished, Started
        from draftlab.streaming import TextStream

        match event:
            case Started():
                self._stream = TextStream(bench.target.tokenizer.decode)
            case Committed(outcome) if self._stream is not None:
                for i, token in enumerate(outcome.emitted):
                    self._write(self._stream.push(token), drafted=i < outcome.num_accepted)
            case Finished() if self._stream is not None:
                self._write(self._stream.flush() + "\n", drafted=False)

    def _write(self, text: str, *, drafted: bool) -> None:
        from rich.text import Text

        from draftlab.report.printable import printable

        # A Text is never read as markup, and wrapping is left to the terminal.
        self._console.print(Text(printable(text), style=_DRAFTED if drafted else ""), end="", soft_wrap=True)
