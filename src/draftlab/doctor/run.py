"""The whole examination: files first, then a copy where one was asked for, then passes where that is possible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from draftlab.doctor.behaviour import check_behaviour
from draftlab.doctor.elsewhere import look_up
from draftlab.doctor.facts import Facts, read_facts
from draftlab.doctor.findings import Check, Diagnosis, Forecast, Padded, Timing
from draftlab.doctor.forecast import predict
from draftlab.doctor.machine import check_machine
from draftlab.doctor.padding import write_padded
from draftlab.doctor.timing import time_passes
from draftlab.doctor.vocabulary import check_vocabularies
from draftlab.drafters.reference import DrafterReference, parse_drafter
from draftlab.engines.placement import choose_device
from draftlab.errors import DraftlabError
from draftlab.models import resolve
from draftlab.spec import Experiment, most_drafted
from draftlab.workbench import Report, Workbench, load_options

_USUAL_CONTEXT = 2048
_SCATTERED = 0.25


@dataclass(frozen=True)
class Wishes:
    """What is asked for beside the pair."""

    context: int | None = None
    """How long texts will be. None: 2048 tokens, or what the target takes where that is less."""
    timed: bool = True
    write_padded: Path | None = None


def examine(experiment: Experiment, wishes: Wishes, say: Report = lambda _: None) -> Diagnosis:
    """Examine the target and the first drafter of `experiment`, with drafts up to its first gamma."""
    drafter_text, gamma = experiment.drafters[0], most_drafted(experiment.gammas[0])
    reference = _require_known(parse_drafter(drafter_text), drafter_text)
    choose_device(experiment.device)  # refused before files are read
    if wishes.write_padded is not None and experiment.dtype != "auto":
        raise DraftlabError("a padded copy keeps the drafter's own dtype", "Leave out --dtype, or --write-padded.")
    options = load_options(experiment, say)
    target = read_facts(resolve(experiment.target), options)
    drafter = read_facts(resolve(reference.argument or ""), options) if reference.name == "model" else None
    context = wishes.context or min(_USUAL_CONTEXT, target.context_length or _USUAL_CONTEXT)
    checks = (
        *check_vocabularies(target, drafter),
        *check_behaviour(target, drafter, context),
        *check_machine(target, drafter, context, experiment.device),
    )
    padded = None
    if wishes.write_padded is not None:
        if drafter is None:
            raise DraftlabError("drafter 'ngram' has no weights to copy", "Leave out --write-padded.")
        _require_sound(checks)
        say(f"writing a copy of {drafter.reference} with {target.width} rows")
        padded = write_padded(target, drafter, wishes.write_padded, options)
    not_timed = _why_not(checks, target, drafter, wishes)
    timing, forecast = None, None
    if not_timed is None:
        try:
            bench = Workbench.open(experiment, say)
            say("timing a few passes")
            timing = time_passes(bench, drafter_text, gamma)
            forecast = predict(timing)
        except (DraftlabError, RuntimeError, MemoryError) as error:  # the diagnosis so far is worth having
            first_line = str(error).partition("\n")[0]
            not_timed = f"the passes failed: {first_line or type(error).__name__}"
    return Diagnosis(
        target=experiment.target,
        drafter=drafter_text,
        context=context,
        checks=checks,
        elsewhere=look_up(target, drafter),
        padded=padded,
        timing=timing,
        forecast=forecast,
        not_timed=not_timed,
        verdict=_verdict(checks, timing, forecast),
    )


def pad(experiment: Experiment, drafter_name: str, folder: Path, say: Report = lambda _: None) -> Padded:
    """Write a copy of the drafter in the width of the target of `experiment`, and nothing else."""
    options = load_options(experiment, say)
    target, drafter = (read_facts(resolve(name), options) for name in (experiment.target, drafter_name))
    _require_sound((*check_vocabularies(target, drafter), *check_behaviour(target, drafter, 1)))
    say(f"writing a copy of {drafter.reference} with {target.width} rows")
    return write_padded(target, drafter, folder, options)


def _require_known(reference: DrafterReference, text: str) -> DrafterReference:
    if (reference.name == "model" and reference.argument) or (reference.name == "ngram" and reference.argument is None):
        return reference
    raise DraftlabError(f"cannot examine drafter '{text}'", "Write model:NAME, or ngram.")


def _require_sound(checks: tuple[Check, ...]) -> None:
    """A copy helps no pair that cannot work for another reason."""
    for check in checks:
        if check.status == "problem" and check.name in ("tokenizers", "rollback"):
            raise DraftlabError(f"no padded copy helps this pair: {check.found}", check.remedy)


def _why_not(checks: tuple[Check, ...], target: Facts, drafter: Facts | None, wishes: Wishes) -> str | None:
    if not wishes.timed:
        return "not asked for"
    if problems := [check.name for check in checks if check.status == "problem"]:
        return f"there is a problem ({', '.join(problems)})"
    models = [target] if drafter is None else [target, drafter]
    if missing := [model.reference for model in models if model.weights != "here"]:
        return f"the weights of {' and '.join(missing)} are not here"
    return None


def _verdict(checks: tuple[Check, ...], timing: Timing | None, forecast: Forecast | None) -> str:
    problems = [check.name for check in checks if check.status == "problem"]
    if problems:
        return f"cannot speculate here: {', '.join(problems)}"
    if forecast is None or timing is None:
        return "nothing prevents speculation; whether it pays is not known without timed passes"
    doubt = ""
    if timing.spread > _SCATTERED:
        doubt = f" (times scatter by {timing.spread:.0%}: run it again while the machine is quiet)"
    if forecast.break_even is None:
        gammas = len(timing.target_s) - 1
        return f"does not pay on this machine at any acceptance rate, with drafts of 1 to {gammas} tokens{doubt}"
    at = next(p for p in forecast.predictions if p.acceptance_rate == 0.8)
    return (
        f"pays from an acceptance rate of about {forecast.break_even:.2f} on, with gamma {forecast.break_even_gamma}; "
        f"at 0.80 about {at.speedup:.2f}x with gamma {at.gamma}{doubt}"
    )
