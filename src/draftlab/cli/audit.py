"""`draftlab audit`: is an implementation of speculative decoding lossless? Draftlab's own, or anybody's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from draftlab.cli import options

_GREEDY_PROMPTS = 8


def audit(
    of: Annotated[
        str,
        typer.Option(
            "--of", help="draftlab, transformers, planted:NAME, or an adapter module:function, whose code is run."
        ),
    ] = "draftlab",
    target: options.Target = None,
    drafter: Annotated[str, typer.Option("--drafter", "-d", help="model:NAME, or ngram for prompt lookup.")] = "ngram",
    gamma: Annotated[int, typer.Option("--gamma", help="Most tokens drafted per round.")] = 3,
    rule: options.Rule = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", "-s", help="Where prompts come from; may repeat. [default: code, prose]"),
    ] = None,
    temperature: Annotated[float, typer.Option(help="0 audits greedy decoding alone.")] = 1.0,
    top_k: Annotated[
        int, typer.Option(help="0: off. Few enough that thousands of samples share their forward passes.")
    ] = 8,
    top_p: options.TopP = None,
    min_p: options.MinP = None,
    repetition_penalty: options.RepetitionPenalty = None,
    tv: Annotated[
        float, typer.Option("--tv", help="The total variation that has to be found; sets the number of samples.")
    ] = 0.05,
    power: Annotated[float, typer.Option(help="With at least this probability.")] = 0.9,
    level: Annotated[float, typer.Option(help="How often a lossless implementation may be accused.")] = 0.001,
    samples: Annotated[
        int | None, typer.Option(help="Samples per prompt, instead of --tv; what they detect is then stated.")
    ] = None,
    prompts: Annotated[int, typer.Option(help="Prompts that are sampled.")] = 2,
    controls: Annotated[
        str | None, typer.Option(help="Planted bugs as controls, by commas. [default: those that suit the drafter]")
    ] = None,
    seed: options.Seed = None,
    dtype: Annotated[str, typer.Option(help="float32 keeps rounding out of the verdict.")] = "float32",
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = None,
    allow_pickle: options.AllowPickle = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep the samples there; the same command goes on where it was interrupted.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Hold an implementation against the target alone: greedy texts, and the law of the next three tokens.

    Before it says lossless, it shows that the same tests at the same size reject planted bugs. Ends with status 1 where
    the verdict is anything but lossless.
    """
    from draftlab.errors import DraftlabError
    from draftlab.spec import DEFAULT_TARGET, make_experiment

    settings = options.given(
        target=target or DEFAULT_TARGET, drafters=(drafter,), gammas=(gamma,), suites=suite, rule=rule,
        temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=repetition_penalty,
        seed=seed, dtype=dtype, device=device, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle,
    )  # fmt: skip
    experiment = make_experiment(settings)
    if gamma < 1:
        raise DraftlabError(f"--gamma cannot be {gamma}", "At least one token has to be drafted.")

    from draftlab.audit.plan import Plan
    from draftlab.audit.run import audit as run_audit
    from draftlab.audit.terminal import print_findings
    from draftlab.cli.progress import Steps
    from draftlab.report.printable import printable_line

    plan = Plan(
        gamma=gamma,
        detects=tv,
        power=power,
        level=level,
        num_prompts=prompts,
        num_greedy=_GREEDY_PROMPTS,
        controls=None if controls is None else tuple(name for name in controls.split(",") if name),
        samples=samples,
    )
    with Steps() as steps:
        try:
            findings = run_audit(of, experiment, plan, steps, folder=out, say=steps.say)
        except KeyboardInterrupt:
            steps.stop()
            kept = (
                f"the same command goes on with what is in {out}" if out else "nothing was kept (--out keeps samples)"
            )
            print(printable_line(f"interrupted; {kept}"), file=sys.stderr)
            raise typer.Exit(130) from None
    if json:
        print(findings.model_dump_json(by_alias=True, indent=1))
    else:
        print_findings(findings)
    if findings.verdict != "lossless":
        raise typer.Exit(1)
