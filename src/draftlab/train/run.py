"""The whole of a training run, each part of it left out where it is done already."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from draftlab.engines.batches import BatchNetwork, open_batches
from draftlab.engines.last_norm import require_bare_head
from draftlab.engines.settings import decoding_defaults
from draftlab.errors import DraftlabError
from draftlab.models import resolve
from draftlab.spec import AUTO_GAMMA, make_experiment
from draftlab.store.failures import explained
from draftlab.store.lock import exclusive
from draftlab.train.begin import kept_start, layers_to_keep, new_policy, new_student
from draftlab.train.capture import capture, rows_for
from draftlab.train.checkpoint import Checkpoint
from draftlab.train.facts import facts_of, num_held_out
from draftlab.train.gain import gain
from draftlab.train.gathering import gather
from draftlab.train.held_out import Point
from draftlab.train.learning import Schedule, learn, plan_steps
from draftlab.train.on_policy import OnPolicy
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import Planner
from draftlab.train.processes import ALONE, Processes
from draftlab.train.product import write_provenance
from draftlab.train.progress import Progress, Silent
from draftlab.train.settings import TrainSettings, require_fitting
from draftlab.train.shards import Shards
from draftlab.train.start import Start
from draftlab.train.state import TRUSTS_NOTHING, State, Trusted, begin, go_on, require_usable
from draftlab.train.student import Student
from draftlab.train.tensor_files import file_system_errors
from draftlab.train.texts import Text, digest_of
from draftlab.workbench import Workbench, load_options

_WORK = "work"


@dataclass(frozen=True)
class Trained:
    """A finished drafter."""

    folder: Path
    num_bytes: int
    curve: list[Point]
    drafter: str
    """The name of the drafter that runs it."""
    target: str
    gain: str = ""
    """What it gained, of a drafter that there was before."""


@dataclass(frozen=True)
class _Ready:
    """All that learning needs beside the texts."""

    student: Student
    facts: dict[str, Any]
    policy: OnPolicy | None


def train(
    settings: TrainSettings | None,
    folder: Path,
    progress: Progress,
    *,
    keep: bool = False,
    trusted: Trusted = TRUSTS_NOTHING,
    processes: Processes = ALONE,
) -> Trained:
    """Train into `folder`; `settings` None goes on with what is there. `keep` leaves the target's texts on disk.

    What a run that goes on trusts is `trusted`; a new one has it in its settings. Of several processes each gets a
    share of the work; the first writes what is kept, and has the curve.
    """
    require_usable(folder)
    if settings is not None:  # refused before anything is written
        require_fitting(settings)
        _require_one_if_on_policy(settings, processes)
        source, options = resolve(settings.target), load_options(_experiment(settings), progress.say)
        if settings.data or settings.runs:
            gather(settings)
        require_bare_head(source, options)
        if settings.start_from:
            Start.read(settings.start_from, options).require_configured(settings.target, options)
    folder = processes.agree(lambda: folder)
    say = progress.say
    state = processes.agree(
        lambda: begin(settings, folder, keep=keep) if settings is not None else go_on(folder, trusted, say, keep=keep)
    )
    _require_one_if_on_policy(state.settings, processes)
    work = folder / _WORK
    if not processes.is_first:
        progress = Silent()
    with explained(folder), file_system_errors(), exclusive(folder / "lock") if processes.is_first else nullcontext():
        shards = Shards(work)
        options = load_options(_experiment(state.settings), progress.say)
        start = kept_start(state.settings.start_from, work / "start", options, processes)
        ready = _student(state, start, folder, shards, progress, processes)
        student = ready.student
        if not state.costs:
            state.costs = processes.agree(lambda: _costs(student, state.settings, work / "untrained", progress))
            state.save(folder, processes)
        schedule = _schedule(state, folder, ready, shards, progress, processes)
        checkpoint = Checkpoint(work / "checkpoint.safetensors")
        curve = learn(
            student, shards, schedule, state.settings, checkpoint, state.costs, progress, ready.policy, processes
        )
        processes.wait()  # the others may be reading
        if not processes.is_first:
            return Trained(folder, 0, curve, student.drafter, state.settings.target)
        num_bytes = student.write(folder)
        write_provenance(folder, state.settings, ready.facts, curve, state.command)
    if not state.keep:
        shutil.rmtree(work, ignore_errors=True)
    gained = gain(curve, ready.facts) if start else ""
    return Trained(folder, num_bytes, curve, student.drafter, state.settings.target, gained)


def _require_one_if_on_policy(settings: TrainSettings, processes: Processes) -> None:
    if settings.on_policy and processes.num > 1:
        raise DraftlabError("--on-policy is for one process, and there are several", "Start it without a launcher.")


def _student(
    state: State, start: Start | None, folder: Path, shards: Shards, progress: Progress, processes: Processes
) -> _Ready:
    """Load the target, let it write, and make a student of the right shape; the target's memory is free again after."""
    settings = state.settings
    progress.say(f"loading target {settings.target}")
    experiment = _experiment(settings)
    target = open_batches(resolve(settings.target), load_options(experiment, progress.say))
    layers = layers_to_keep(target, settings, start)
    stop_tokens = decoding_defaults(target.generation_config).get("eos_token_id", ())
    forbidden = Forbidden(target.tokenizer.encode)
    if not state.captured:
        _capture(state, folder, target, layers, stop_tokens, forbidden, shards, progress, processes)
    student, shape = new_student(target, settings, start, shards, stop_tokens, forbidden, processes)
    shape["held_out_prompts"] = state.held_out_prompts
    facts = {**shape, **facts_of(shards, settings.target, forbidden)} if processes.is_first else {}
    return _Ready(student, facts, new_policy(student, target, settings, stop_tokens, forbidden))


def _capture(
    state: State,
    folder: Path,
    target: BatchNetwork,
    layers: tuple[int, ...],
    stop_tokens: tuple[int, ...],
    forbidden: Forbidden,
    shards: Shards,
    progress: Progress,
    processes: Processes,
) -> None:
    settings = state.settings
    seconds = settings.minutes * 60 * settings.capture_share - state.captured_s
    if not state.rows:
        tried = monotonic()
        state.rows = processes.agree(lambda: rows_for(target, settings.new_tokens, seconds))
        state.free_memory = processes.agree(target.free_memory)
        state.captured_s += monotonic() - tried
        state.save(folder, processes)
    progress.say("gathering texts")
    texts = gather(settings, progress.say)
    _require_same(state, texts)
    state.save(folder, processes)

    def most_texts(length: int) -> int:
        return min(state.rows, target.most_texts(length, state.free_memory))

    context = getattr(target.config, "max_position_embeddings", None)
    mixed = target.mixes_lengths()
    planner = Planner(most_texts, settings.new_tokens, mixed=mixed, context=context, say=progress.say)
    plan = planner.plan(texts, target.tokenizer, forbidden, settings.seed)
    progress.say(f"{len(texts):,} texts, up to {sum(len(b.prompts) for b in plan):,} prompts in {len(plan):,} batches")

    def spent(seconds: float) -> None:
        state.captured_s += seconds
        state.save(folder, processes)

    capture(target, plan, layers, stop_tokens, shards, seconds, settings.seed, forbidden, progress, spent, processes)
    state.captured_s = processes.agree(lambda: state.captured_s)
    state.held_out_prompts = num_held_out(plan, shards)
    state.captured = True
    state.save(folder, processes)


def _require_same(state: State, texts: Sequence[Text]) -> None:
    digest = digest_of(texts)
    if state.data_sha256 not in ("", digest):
        raise DraftlabError(
            "the texts that this run began with have changed since", "Put them back, or start again in another folder."
        )
    state.data_sha256 = digest


def _costs(student: Student, settings: TrainSettings, folder: Path, progress: Progress) -> tuple[int, ...]:
    """What rounds of the decoding loop cost here with a drafter of this shape; its weights do not matter."""
    student.write(folder)
    bench = Workbench.open(_experiment(settings), progress.say)
    costs = bench.costs(bench.drafter(f"{student.drafter}:{folder}"))
    shutil.rmtree(folder)
    return costs[: AUTO_GAMMA + 1]


def _schedule(
    state: State, folder: Path, ready: _Ready, shards: Shards, progress: Progress, processes: Processes
) -> Schedule:
    if not state.steps:
        progress.say("trying a few steps, to see how many there is time for")
        seconds = state.settings.minutes * 60 - state.captured_s
        tried = plan_steps(ready.student, shards, state.settings, seconds, ready.policy, processes)
        schedule = processes.agree(lambda: tried)
        state.depths, state.steps = schedule.depths, schedule.steps
        state.save(folder, processes)
    schedule = Schedule(state.depths, state.steps)
    if schedule.is_short:
        progress.say(
            f"only {schedule.total} steps of learning fit into {state.settings.minutes:g} minutes, and teach next to "
            "nothing: train into another folder with more --minutes"
        )
    return schedule


def _experiment(settings: TrainSettings) -> Any:
    shared = settings.model_dump(include={"target", "dtype", "device", "trust_remote_code", "allow_pickle"})
    return make_experiment({**shared, "drafters": ("none",), "gammas": (AUTO_GAMMA,)})
