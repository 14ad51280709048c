"""A bench on two servers that are started for it: the target plain, and with the drafter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from draftlab.bench.run import Observer, run_bench
from draftlab.drafters.reference import parse_drafter
from draftlab.engines.wheel import ensure_converted
from draftlab.errors import DraftlabError
from draftlab.export.plan import (
    Assistant,
    Head,
    Model,
    Plan,
    engine_name,
    names_a_model,
    read_drafter,
    require_plain_words,
)
from draftlab.managed.engines import engine_called
from draftlab.managed.head import with_all_rows
from draftlab.managed.process import READY_S, started
from draftlab.models import ModelSource, resolve
from draftlab.report.run_view import RunView
from draftlab.serving.prepare import Started, serve_bench
from draftlab.spec import Experiment, Sampling

_OURS = ("rule", "exact", "device", "phases", "detail", "until", "allow_pickle", "url", "plain_url")
_BESIDE = 3 * 2**30
"""What a server takes beside its weights: a cache of 1 GiB, and the program with what it compiles."""

Report = Callable[[str], None]


def run_managed(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    observer: Observer | None = None,
    say: Report = lambda _: None,
    ready_s: float = READY_S,
) -> RunView:
    """Start both servers, run the bench on them and end them, whatever happens. Logs are in `folder`.servers."""
    with servers_of(experiment, folder, say, ready_s) as on, serve_bench(experiment, say, on=on) as prepared:
        return RunView(run_bench(prepared, folder, resume=resume, observer=observer).folder)


@contextmanager
def servers_of(
    experiment: Experiment, folder: Path, say: Report = lambda _: None, ready_s: float = READY_S
) -> Iterator[Started]:
    """A plain server and a speculative one, until the block ends."""
    engine = engine_called(experiment.engine)
    program = _program(experiment)
    plan = plan_of(experiment, say)
    engine.command(program, plan)  # a drafter that the engine does not have is refused before anything is written
    _require_room(plan, experiment.engine)
    logs = folder.with_name(f"{folder.name}.servers")
    if isinstance(plan.drafter, Head):
        plan = with_all_rows(plan, experiment, logs / "head", say)
    commands = {
        "plain": engine.command(program, without_drafter(plan)),
        "speculative": engine.command(program, plan),
    }
    with ExitStack() as servers:
        urls = {
            name: servers.enter_context(started(name, command, engine.environment(Path(program)), logs, say, ready_s))
            for name, command in commands.items()
        }
        yield Started(
            plain_url=urls["plain"],
            url=urls["speculative"],
            engine=experiment.engine,
            drafter=experiment.drafters[0],
            gamma=plan.gamma,
            commands=commands,
            requests=dict(engine.requests),
        )


def without_drafter(plan: Plan) -> Plan:
    """The same, served plainly."""
    return replace(plan, drafter=None, gamma=0)


def plan_of(experiment: Experiment, say: Report = lambda _: None) -> Plan:
    """What the experiment asks of the engine; one drafter and one draft length, since each pair is two servers."""
    _refuse_what_is_ours(experiment)
    if len(experiment.drafters) != 1 or len(experiment.gammas) != 1:
        raise DraftlabError(
            f"--engine {experiment.engine} starts one plain server and one with a drafter, and "
            f"{len(experiment.drafters)} drafters and {len(experiment.gammas)} draft lengths were given",
            "Run draftlab bench once for each, and put them side by side with draftlab compare.",
        )
    (text,), (gamma,) = experiment.drafters, experiment.gammas
    if gamma == "auto" or gamma < 1:
        raise DraftlabError(
            f"--engine {experiment.engine} needs a draft length, not {gamma}", "Give --gamma a number from 1 on."
        )
    reference = parse_drafter(text)
    if reference.name == "none":
        raise DraftlabError(f"--engine {experiment.engine} needs a drafter", "The plain server is started in any case.")
    model = _model(resolve(reference.argument or ""), say) if names_a_model(reference) else None
    target = _model(resolve(experiment.target), say)
    require_plain_words(target.name, *([model.name] if model else []))
    given = {name: getattr(experiment, name) for name in Sampling.model_fields}
    return Plan(
        target,
        read_drafter(text, reference, model),
        gamma,
        Sampling(**{name: value for name, value in given.items() if value is not None}),
        dtype=None if experiment.dtype == "auto" else experiment.dtype,
        trust_remote_code=experiment.trust_remote_code,
    )


def _model(source: ModelSource, say: Report) -> Model:
    """As the engine finds it: what comes from PyPI is made a folder first."""
    if source.kind == "toy":
        raise DraftlabError(f"'{source.reference}' is draftlab's own: no other engine has it", "Give a real model.")
    if source.kind == "wheel":
        return Model(str(ensure_converted(source.reference, say)))
    name = engine_name(source)
    return Model(name if source.kind == "hub" else str(Path(name).absolute()), on_hub=source.kind == "hub")


def _program(experiment: Experiment) -> str:
    if not experiment.engine_program:
        what = engine_called(experiment.engine).program
        raise DraftlabError(
            f"--engine {experiment.engine} does not know which program to start", f"Name {what} with --engine-program."
        )
    path = Path(experiment.engine_program).expanduser().absolute()  # not resolved: a venv's python is a link
    if not path.is_file():
        raise DraftlabError(
            f"there is no program {experiment.engine_program}", "Is the path of --engine-program right?"
        )
    return str(path)


def _refuse_what_is_ours(experiment: Experiment) -> None:
    given: list[Any] = [name for name in _OURS if name in experiment.model_fields_set]
    if given:
        raise DraftlabError(
            f"--{given[0].replace('_', '-')} is not for --engine {experiment.engine}, which decodes by itself",
            "Leave it out, or leave --engine out.",
        )


def _require_room(plan: Plan, engine: str) -> None:
    """Both servers hold the target. What is on a hub, or goes to a GPU, is not known here and is let through."""
    names = [plan.target.name, plan.target.name]
    names += [plan.drafter.model.name] if isinstance(plan.drafter, Assistant | Head) else []
    weights = sum(_size(Path(name)) for name in names)
    needed, free = weights + 2 * _BESIDE, psutil.virtual_memory().available
    if weights and needed > free:
        raise DraftlabError(
            f"two {engine} servers need about {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free",
            "Measure on a larger machine, or start one server at a time and use --engine endpoint.",
        )


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.glob("*.safetensors")) if path.is_dir() else 0
