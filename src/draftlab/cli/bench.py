"""`draftlab bench`: plain against speculative decoding, over suites of prompts."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from draftlab.cli import gate, options
from draftlab.errors import DraftlabError

if TYPE_CHECKING:
    from draftlab.cli.progress import Progress


def bench(
    spec: Annotated[
        Path | None, typer.Argument(help="Settings in TOML; flags come before them.", show_default=False)
    ] = None,
    target: options.Target = None,
    drafter: options.Drafters = None,
    suite: options.Suites = None,
    gamma: options.Gamma = None,
    rule: options.Rule = None,
    max_new_tokens: options.MaxNewTokens = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    repetition_penalty: options.RepetitionPenalty = None,
    stop: options.Stop = None,
    ignore_eos: options.IgnoreEos = None,
    repetitions: Annotated[
        int | None, typer.Option(help="How often each prompt is decoded by each arm. [default: 1]")
    ] = None,
    control: Annotated[
        bool | None,
        typer.Option("--control/--no-control", help="Decode plainly twice, to know the noise. [default: --control]"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Repeat until every speed-up is known to so much, 2% or 0.02.", metavar="SHARE")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="The most minutes of decoding for --until. [default: 30]", metavar="MINUTES")
    ] = None,
    phases: Annotated[
        int | None,
        typer.Option(help="Prompts decoded once more with a look at the clock at each event. [default: 4]"),
    ] = None,
    detail: Annotated[
        str | None,
        typer.Option(help="tokens: decode once more and record every token with its probabilities. [default: none]"),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first prompts of each suite.")] = None,
    engine: options.Engine = None,
    engine_program: options.EngineProgram = None,
    servers: options.Servers = None,
    url: options.Url = None,
    plain_url: options.PlainUrl = None,
    model: options.Model = None,
    concurrency: Annotated[
        str | None,
        typer.Option(help="Numbers of users at once, as 1,2,4,8: where does it stop paying?", show_default=False),
    ] = None,
    seed: options.Seed = None,
    exact: options.Exact = None,
    dtype: options.Dtype = None,
    device: options.Device = None,
    tensor_parallel: options.TensorParallel = None,
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    out: Annotated[Path | None, typer.Option(help="Run folder. [default: runs/<time>]", show_default=False)] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Finish the run in --out: what is missing, and nothing else.")
    ] = False,
    fail_if: options.FailIf = None,
    json: options.Json = False,
) -> None:
    """Decode every prompt plainly and speculatively, keep every result, and print what it gained.

    With no arguments: the embedded default, SmolLM2-135M-Instruct with prompt lookup, with a head that was trained for
    it, and with both in one, on a few prompts of code and prose.
    """
    settings = options.given(
        target=target, drafters=drafter, suites=suite, gammas=gamma, rule=rule, max_new_tokens=max_new_tokens,
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty,
        stop_strings=stop, ignore_eos=ignore_eos, repetitions=repetitions, control=control, until=until,
        budget=budget, phases=phases, detail=detail, limit=limit, seed=seed, exact=exact,
        dtype=dtype, device=device, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
        engine=engine, engine_program=engine_program, servers=servers, url=url, plain_url=plain_url, model=model,
        tensor_parallel=tensor_parallel,
    )  # fmt: skip
    from draftlab.report.conditions import REPORT_METRICS, report_rows

    conditions = gate.read_conditions(fail_if, REPORT_METRICS)
    if concurrency is not None:
        _under_load(spec, settings, concurrency, out, resume=resume, fail_if=fail_if, json=json)
        return
    folder = _folder(out, resume)
    experiment = _experiment(spec, settings, folder, resume)

    from draftlab.cli.progress import Progress
    from draftlab.report.measure import measure
    from draftlab.report.printable import printable_line
    from draftlab.report.terminal import print_report

    with Progress() as progress:
        if resume:
            _recall(folder, progress)
        try:
            store = _run(experiment)(experiment, folder, resume=resume, observer=progress, say=progress.say)
        except KeyboardInterrupt:
            progress.stop()
            started = (folder / "manifest.json").exists()
            remedy = f"finish it with: draftlab bench --resume --out {folder}" if started else "nothing was written"
            print(printable_line(f"interrupted; {remedy}"), file=sys.stderr)
            raise typer.Exit(130) from None
    if json:
        found = measure(store)
        print(found.model_dump_json(by_alias=True, indent=1))
    else:
        found = print_report(store)
        kept = printable_line(f"kept in {folder}; again with: draftlab report {folder}")
        print(f"\n{kept}", file=sys.stderr)
    if not gate.passes(conditions, report_rows(found)) or not found.holds:
        raise typer.Exit(1)


def _under_load(
    spec: Path | None,
    settings: dict[str, Any],
    concurrency: str,
    out: Path | None,
    *,
    resume: bool,
    fail_if: list[str] | None,
    json: bool,
) -> None:
    from draftlab.cli.load import bench_under_load
    from draftlab.spec import make_experiment, read_toml

    if fail_if:
        raise DraftlabError("--fail-if has no conditions for --concurrency", "Read its --json instead.")
    if resume and out is None:
        raise DraftlabError("--resume does not know which run to finish", "Name its folder with --out.")
    experiment = make_experiment({**(read_toml(spec) if spec else {}), **settings})
    bench_under_load(experiment, concurrency, out or _new_folder(), resume=resume, json=json)


def _run(experiment: Any) -> Any:
    """Who runs it; only now, as bad settings are told without waiting for torch."""
    if experiment.engine in ("draftlab", "endpoint"):
        from draftlab.api import run

        return run
    from draftlab.managed.run import run_managed

    return run_managed


def _recall(folder: Path, progress: Progress) -> None:
    """Let the figures on the screen go on where the run was interrupted."""
    from draftlab.store import Store

    store = Store.open(folder)
    progress.knows(store.manifest().arms, store.traces())


def _folder(out: Path | None, resume: bool) -> Path:
    from draftlab.store.folder import require_free

    if resume and out is None:
        raise DraftlabError("--resume does not know which run to finish", "Name its folder with --out.")
    folder = out or _new_folder()
    if not resume:
        require_free(folder)
    return folder


def _embedded() -> dict[str, Any]:
    """With no arguments at all: a few prompts of each kind, on a model that is small enough for any machine.

    With prompt lookup, the head that comes with draftlab, and both in one. How they are asked was chosen on HumanEval
    and on prose of no suite.
    """
    from draftlab.models import DEFAULT_HEAD

    head = f"eagle:{DEFAULT_HEAD},stop_confidence=0.3"
    drafters = ("ngram", head, f"lookup+{head},lookup_min_ngram=2")
    return {"drafters": drafters, "gammas": (12,), "limit": 6, "max_new_tokens": 48}


def _new_folder() -> Path:
    return Path("runs") / datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S")


def _experiment(spec: Path | None, flags: dict[str, Any], folder: Path, resume: bool) -> Any:
    """Flags over the spec's settings over defaults. A run that is resumed without settings takes its own."""
    from draftlab.spec import make_experiment, read_toml

    settings = {**(read_toml(spec) if spec else {}), **flags}
    if not resume:
        return make_experiment(settings or _embedded())

    from draftlab.store import Store

    own = Store.open(folder).manifest().settings()
    started = make_experiment(own)
    asked = make_experiment({**own, **settings})  # over its own: a setting may make sense only beside another
    for name in (name for name in settings if name != "servers"):
        if (value := getattr(asked, name)) != (had := getattr(started, name)):
            raise DraftlabError(
                f"the run in {folder} was started with {name} = {_written(had)}, not {_written(value)}",
                "Leave the settings out to resume it as it was, or choose another folder with --out.",
            )
    if asked.servers == started.servers:
        return started
    return started.model_copy(update={"servers": asked.servers})  # how, and not what: memory may be short by now


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
