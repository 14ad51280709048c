"""Do what the plan says, and keep every result as soon as it is there."""

from __future__ import annotations

from pathlib import Path

from draftlab.bench.environment import describe_environment, machine_of
from draftlab.bench.manifest import fingerprint, make_manifest
from draftlab.bench.plan import PreparedBench, Task, plan
from draftlab.chance import derive_seed
from draftlab.errors import DraftlabError
from draftlab.records import Trace
from draftlab.store import RunWriter, Store

_WARM_UP_TOKENS = 8


class Observer:
    """Who wants to know how a run goes on overrides some of these."""

    def planned(self, num_tasks: int, num_done: int) -> None:
        """The whole run has `num_tasks` decodes, of which `num_done` were done before."""

    def begins(self, task: Task) -> None:
        """`task` runs now."""

    def ended(self, trace: Trace) -> None:
        """`trace` is on disk."""

    def noticed(self, text: str) -> None:
        """Something that a person should know."""

    def examines(self, trace: Trace) -> None:
        """`trace` left its baseline, and the reason is looked for."""


def run_bench(bench: PreparedBench, folder: Path, *, resume: bool = False, observer: Observer | None = None) -> Store:
    """Run what is missing from the run in `folder`; a prompt that fails becomes a failed trace and the run goes on."""
    observer = observer or Observer()
    store = _open(bench, folder) if resume else None
    tasks = plan(bench)
    done = {trace.key for trace in store.traces()} if store else set()
    observer.planned(len(tasks), len(done))
    if len(done) < len(tasks):
        _warm_up(bench)
    # Only now: a model that cannot run at all leaves nothing behind.
    store = store or Store.create(folder, make_manifest(bench))
    with store.writer() as writer:
        done = {trace.key for trace in store.traces()}  # again: whoever had the lock until now may have gone on
        for task in tasks:
            if task.key not in done:
                observer.begins(task)
                trace = _decode(bench, task)
                writer.traces.append(trace)
                observer.ended(trace)
        _examine(bench, store, writer, observer)
    return store


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
        raise DraftlabError(
            f"the run in {folder} decodes something else: its models, prompts or settings are not the ones given",
            "Give the settings that it was started with, or another folder with --out.",
        )
    before, now = (machine_of(environment) for environment in (manifest.environment, describe_environment()))
    if before != now:
        raise DraftlabError(
            f"the run in {folder} was started on another machine or with other versions ({before}; here {now}), "
            "and times of two machines cannot be compared",
            "Resume it there, or start another run with --out.",
        )
    return store


def _warm_up(bench: PreparedBench) -> None:
    """A short decode by every arm, not counted: the first passes after loading are slow.

    An arm that cannot decode any prompt ends the run before it has begun.
    """
    for prepared in bench.arms:
        failures = []
        for prompt in bench.prompts:
            try:
                prepared.decode(prompt.tokens, min(_WARM_UP_TOKENS, prompt.record.max_new_tokens), bench.seed)
                break
            except Exception as error:  # one prompt that fails is a failed trace later on
                failures.append(error)
        else:
            first = failures[0]
            if isinstance(first, DraftlabError):
                raise first
            reason = f"{type(first).__name__}: {first}".splitlines()[0]
            raise DraftlabError(f"{prepared.arm.id} cannot decode any prompt: {reason}") from first


def _decode(bench: PreparedBench, task: Task) -> Trace:
    seed = derive_seed(bench.seed, task.prompt.record.id, task.repetition)  # the same for every arm
    arm, prompt_id, repetition = task.key
    try:
        recording = task.arm.decode(task.prompt.tokens, task.prompt.record.max_new_tokens, seed)
        text = bench.text_of(recording.tokens)
    except Exception as error:  # a failed decode must not take the others with it
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Trace(arm=arm, prompt_id=prompt_id, repetition=repetition, seed=seed, status="failed", error=reason)
    return Trace(
        arm=arm,
        prompt_id=prompt_id,
        repetition=repetition,
        seed=seed,
        status="ok",
        stop=recording.stop,
        tokens=recording.tokens,
        text=text,
        prefill_ns=recording.prefill_ns,
        decode_ns=recording.decode_ns,
        rounds=recording.rounds,
    )
