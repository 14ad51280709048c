"""The command line: one file a verb; parse, call, print. What computes is elsewhere."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from draftlab.cli.audit import audit
from draftlab.cli.bench import bench
from draftlab.cli.compare import compare
from draftlab.cli.complete_head import complete_head
from draftlab.cli.doctor import doctor
from draftlab.cli.export import export
from draftlab.cli.generate import generate
from draftlab.cli.ls import ls
from draftlab.cli.pad_drafter import pad_drafter
from draftlab.cli.report import report
from draftlab.cli.sweep import sweep
from draftlab.cli.train import train
from draftlab.cli.tune import tune
from draftlab.errors import DraftlabError

app = typer.Typer(
    name="draftlab",
    help="The laboratory for speculative decoding: run it, measure it so that the number can be believed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(bench)
app.command()(sweep)
app.command()(generate)
app.command()(audit)
app.command()(doctor)
app.command()(tune)
app.command()(train)
app.command()(report)
app.command()(compare)
app.command()(export)
app.command()(pad_drafter)
app.command()(complete_head)
app.command()(ls)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        from draftlab import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line. Bad input ends with one line on standard error and status 2."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a character that it cannot write must not end the work
    try:
        app()
    except DraftlabError as error:
        _fail(str(error), error.hint)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and type(error).__name__ != "OutOfMemoryError":
            raise
        first_line = str(error).partition("\n")[0]  # Python's own MemoryError says nothing
        _fail(f"out of memory: {first_line}".rstrip(": "), "Use --dtype bfloat16 or a smaller model.")
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        sys.exit(1)


def _fail(message: str, hint: str | None) -> None:
    from draftlab.report.printable import printable

    line = f"error: {message.rstrip('.')}. {hint}" if hint else f"error: {message}"
    print(printable(line.replace("\n", " ")), file=sys.stderr)
    sys.exit(2)
