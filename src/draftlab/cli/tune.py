"""`draftlab tune`: which drafter, how many tokens a round, when to stop drafting, or none of it?"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from draftlab.cli import options
from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from draftlab.tune.findings import TuningReport

_LIMIT = 12  # prompts of each suite: enough to choose by, and written in minutes


def tune(
    spec: Annotated[
        Path | None, typer.Argument(help="Settings in TOML; flags come before them.", show_default=False)
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Take the plain texts, the target and the sampling of this run.")
    ] = None,
    target: options.Target = None,
    drafter: options.Drafters = None,
    suite: options.Suites = None,
    max_gamma: Annotated[int, typer.Option("--max-gamma", help="The longest drafts to look at.")] = 16,
    rule: options.Rule = None,
    max_new_tokens: options.MaxNewTokens = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    repetition_penalty: options.RepetitionPenalty = None,
    stop: options.Stop = None,
    ignore_eos: options.IgnoreEos = None,
    limit: Annotated[
        int | None, typer.Option(help=f"Only the first prompts of each suite. [default: {_LIMIT}]")
    ] = None,
    seed: options.Seed = None,
    dtype: options.Dtype = None,
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    confirm: Annotated[
        list[str] | None,
        typer.Option("--confirm", help="Suites to confirm on. [default: every third prompt, which is not tuned on]"),
    ] = None,
    no_confirm: Annotated[bool, typer.Option("--no-confirm", help="Predict only; run nothing.")] = False,
    budget: Annotated[float, typer.Option(help="The most seconds of timing rounds.", metavar="SECONDS")] = 60.0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the confirming run. [default: runs/<time>]", show_default=False)
    ] = None,
    json: options.Json = False,
) -> None:
    """Rank drafters, draft lengths and stopping policies along one plain text of the target, and confirm the best."""
    flags = options.given(
        target=target, suites=suite, rule=rule, max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k,
        top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty, stop_strings=stop, ignore_eos=ignore_eos,
        limit=limit, seed=seed, dtype=dtype,
    )  # fmt: skip
    free = options.given(
        drafters=drafter, device=device, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle
    )
    experiment = _experiment(spec, flags, free) if source is None else _of_run(source, spec, flags, free)

    from draftlab.store.folder import require_free

    folder = out or Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")
    if no_confirm and (out is not None or confirm):
        raise DraftlabError("--no-confirm runs nothing, so --out and --confirm have no meaning", "Leave them out.")
    require_free(folder)

    from draftlab.cli.progress import Progress, Steps
    from draftlab.store import Store
    from draftlab.tune.run import Wishes, tune
    from draftlab.tune.run import confirm as confirm_by_running

    wishes = Wishes(max_gamma, budget, tuple(confirm or ()), _LIMIT)
    try:
        with Steps() as steps:
            tuning = tune(experiment, wishes, None if source is None else Store.open(source), steps)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if no_confirm:
        _print(tuning.report(), json)
        return
    try:
        with Progress() as progress:
            found = confirm_by_running(tuning, folder, progress)
    except (Exception, KeyboardInterrupt) as error:
        _print(tuning.report(), json)  # what was found before is found
        if not isinstance(error, KeyboardInterrupt):
            raise
        print("\ninterrupted; the confirming run cannot be resumed, tune again to confirm", file=sys.stderr)
        raise typer.Exit(130) from None
    _print(found, json)
    if not json:
        print(f"\nkept in {folder}; its figures with: draftlab report {folder}", file=sys.stderr)


def _print(found: TuningReport, json: bool) -> None:
    from draftlab.tune.terminal import print_tuning

    if json:
        print(found.model_dump_json(by_alias=True, indent=1))
    else:
        print_tuning(found)


def _experiment(spec: Path | None, flags: dict[str, Any], free: dict[str, Any]) -> Any:
    from draftlab.spec import make_experiment, read_toml

    settings = {**(read_toml(spec) if spec else {}), **flags, **free}
    return make_experiment({"limit": _LIMIT, "control": False, **settings})


def _of_run(source: Path, spec: Path | None, flags: dict[str, Any], free: dict[str, Any]) -> Any:
    """The settings of a run, with other drafters: its plain texts are those of its target, prompts and sampling."""
    from draftlab.spec import make_experiment
    from draftlab.store import Store

    if spec is not None or flags:
        given = "a spec" if spec is not None else f"--{next(iter(flags)).replace('_', '-')}"
        raise DraftlabError(
            f"the texts of --from {source} are what they are, and {given} asks for others",
            "Leave it out, or leave out --from.",
        )
    settings = Store.open(source).manifest().settings()
    bench_only = ("gammas", "repetitions", "until", "budget", "detail", "limit")
    kept = {name: value for name, value in settings.items() if name not in bench_only}
    return make_experiment({**kept, "control": False, **free})
