"""Do what the plan says, and keep every result as soon as it is there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from time import time_ns

from draftlab.bench.environment import describe_environment
from draftlab.bench.machine import sample_machine
from draftlab.bench.manifest import fingerprint, make_manifest
from draftlab.bench.plan import PreparedBench, Task, plan
from draftlab.bench.warm_up import warm_up
from draftlab.bench.watch import num_to_watch, watch
from draftlab.chance import derive_seed
from draftlab.errors import CannotResumeError, EngineLostError
from draftlab.machine_name import machine_of
from draftlab.precision import Progress, progress, rounds_begun
from draftlab.records import Trace
from draftlab.store import RunWriter, Store


class Observer:
    """Who wants to know how a run goes on overrides some of these."""

    def planned(self, num_tasks: int, num_done: int) -> None:
        """The whole run has `num_tasks` decodes, of which `num_done` were done before."""

    def repeats(self, num_tasks: int, reached: Progress) -> None:
        """What was reached is not enough: the run goes on for a round of repetitions, and has `num_tasks` now."""

    def begins(self, task: Task) -> None:
        """`task` runs now."""

    def ended(self, trace: Trace) -> None:
        """`trace` is on disk."""

    def noticed(self, text: str) -> None:
        """Something that a person should know."""

    def watches(self, num_tasks: int) -> None:
        """What is timed is done; `num_tasks` decodes are watched now."""

    def watched(self) -> None:
        """Another of them is on disk."""

    def examines(self, trace: Trace) -> None:
        """`trace` left its baseline, and the reason is looked for."""


def run_bench(bench: PreparedBench, folder: Path, *, resume: bool = False, observer: Observer | None = None) -> Store:
    """Run what is missing from the run in `folder`; a prompt that fails becomes a failed trace and the run goes on."""
    observer = observer or Observer()
    store = _open(bench, folder) if resume else None
    done = list(store.traces()) if store else []
    missing = _missing(bench, done, observer)
    observer.planned(len(done) + len(missing), len(done))
    warmed = warm_up(bench) if missing else None
    # Only now: a model that cannot run at all leaves nothing behind.
    store = store or Store.create(folder, make_manifest(bench, warmed))
    with store.writer() as writer:
        # Again: whoever had the lock until now may have gone on.
        if missing := _missing(bench, list(store.traces()), Observer()):
            while missing:
                for bring_up, tasks in groupby(missing, key=lambda task: task.arm.bring_up):
                    if bring_up is not None:
                        bring_up()  # what cannot be brought up ends the run, which can be resumed
                    _do(bench, list(tasks), writer, observer)
                missing = _missing(bench, list(store.traces()), observer)
        if num := num_to_watch(store.manifest(), store):
            observer.watches(num)
            watch(bench, store, writer, observer)
        _examine(bench, store, writer, observer)
    return store


def _missing(bench: PreparedBench, traces: Sequence[Trace], observer: Observer) -> list[Task]:
    """What is to be done now; where a precision is asked for, one round more as long as it is not reached."""
    done = {trace.key for trace in traces}
    repetitions = rounds_begun(traces, bench.repetitions)
    missing = [task for task in plan(bench, repetitions) if task.key not in done]
    if missing or bench.goal is None:
        return missing
    reached = progress(bench.goal, [prepared.arm for prepared in bench.arms], traces, bench.repetitions)
    if reached.end is not None:
        return []
    missing = [task for task in plan(bench, repetitions + 1) if task.key not in done]
    observer.repeats(len(done) + len(missing), reached)
    return missing


def _do(bench: PreparedBench, tasks: Sequence[Task], writer: RunWriter, observer: Observer) -> None:
    """Tasks between which nothing is brought up or taken down, so that what the machine did meanwhile is theirs."""
    writer.machine.append(sample_machine("begin"))
    try:
        for task in tasks:
            observer.begins(task)
            trace = _decode(bench, task)
            writer.traces.append(trace)
            observer.ended(trace)
    finally:
        writer.machine.append(sample_machine("end"))


def _examine(bench: PreparedBench, store: Store, writer: RunWriter, observer: Observer) -> None:
    """Find out why greedy texts left their baseline, where that is not on record yet."""
    if bench.examiner is None:
        return
    done = {divergence.key for divergence in store.divergences()}
    prompts = {prompt.record.id: prompt for prompt in bench.prompts}
    traces = {trace.key: trace for trace in store.traces() if trace.status == "ok"}
    roles = {prepared.arm.id: prepared.arm.role for prepared in bench.arms}
    (baseline,) = (arm for arm, role in roles.items() if role == "baseline")
    for key, trace in traces.items():
        plain = traces.get((baseline, trace.prompt_id, trace.repetition))
        if roles[trace.arm] == "drafted" and plain is not None and key not in done and trace.tokens != plain.tokens:
            prompt = prompts[trace.prompt_id]
            observer.examines(trace)
            try:
                found = bench.examiner.examine(prompt.tokens, prompt.capacity, plain, trace)
            except Exception as error:  # the decodes are done and kept; their report must not depend on this
                observer.noticed(f"could not examine {trace.prompt_id}, {trace.arm}: {error}")
                continue
            if found is not None:
                writer.divergences.append(found)


def _open(bench: PreparedBench, folder: Path) -> Store:
    store = Store.open(folder)
    manifest = store.manifest()
    if manifest.fingerprint != fingerprint(bench):
        raise CannotResumeError(
            f"the run in {folder} decodes something else: its models, prompts or settings are not the ones given",
            "Give the settings that it was started with, or another folder with --out.",
        )
    before, now = (machine_of(environment) for environment in (manifest.environment, describe_environment()))
    if before != now:
        raise CannotResumeError(
            f"the run in {folder} was started on another machine or with other versions ({before}; here {now}), "
            "and times of two machines cannot be compared",
            "Resume it there, or start another run with --out.",
        )
    return store


def _decode(bench: PreparedBench, task: Task) -> Trace:
    seed = derive_seed(bench.seed, task.prompt.record.id, task.repetition)  # the same for every arm
    arm, prompt_id, repetition = task.key
    trace = partial(Trace, arm=arm, prompt_id=prompt_id, repetition=repetition, seed=seed, started_ns=time_ns())
    try:
        recording = task.arm.run(task.prompt, task.prompt.record.max_new_tokens, seed)
        text = bench.text_of(recording.tokens) if recording.text is None else recording.text
    except EngineLostError:  # the others would fail, too, and count as done
        raise
    except Exception as error:  # a failed decode must not take the others with it
        return trace(status="failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
    return trace(
        status="ok",
        stop=recording.stop,
        tokens=recording.tokens,
        text=text,
        prefill_ns=recording.prefill_ns,
        decode_ns=recording.decode_ns,
        first_ns=recording.first_ns,
        rounds=recording.rounds,
        served=recording.served,
    )
