"""Decodes that are watched, after those that are timed: their phases, for the costs, and their tokens, to be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from draftlab.bench.detail import record_detail
from draftlab.bench.plan import PreparedArm, PreparedBench, PreparedPrompt, Task
from draftlab.bench.recorder import record_phases
from draftlab.chance import derive_seed
from draftlab.errors import EngineLostError
from draftlab.events import Event
from draftlab.records import Detail, Phases, RunManifest, TokenBytes, WatchKey
from draftlab.store import RunWriter, Store

if TYPE_CHECKING:
    from draftlab.bench.run import Observer

_R = TypeVar("_R", Phases, Detail)


def num_to_watch(manifest: RunManifest, store: Store) -> int:
    """How many watched decodes are missing."""
    return len(_missing(manifest.expected_phases(), store.phases())) + len(
        _missing(manifest.expected_details(), store.details())
    )


def watch(bench: PreparedBench, store: Store, writer: RunWriter, observer: Observer) -> None:
    """Do those that are missing. One that fails leaves its error on record."""
    manifest = store.manifest()
    arms = {prepared.arm.id: prepared for prepared in bench.arms}
    prompts = {prompt.record.id: prompt for prompt in bench.prompts}

    def work(keys: Sequence[WatchKey]) -> Iterator[tuple[PreparedArm, PreparedPrompt]]:
        for arm, prompt in keys:
            observer.begins(Task(arms[arm], prompts[prompt], 0))
            yield arms[arm], prompts[prompt]
            observer.watched()

    for arm, prompt in work(_missing(manifest.expected_phases(), store.phases())):
        writer.phases.append(_try(partial(_phases, bench), arm, prompt, Phases))
    known = {token.id for token in store.token_bytes()}
    for arm, prompt in work(_missing(manifest.expected_details(), store.details())):
        detail = _try(partial(_detail, bench), arm, prompt, Detail)
        seen = {t for watched in detail.rounds for t in (*watched.drafted, *watched.emitted)} | set(prompt.tokens)
        for token in sorted(seen - known):
            writer.token_bytes.append(TokenBytes(id=token, hex=bench.bytes_of(token).hex()))
        known |= seen
        writer.details.append(detail)  # last: a detail on record can be spelled out


def _missing(expected: Sequence[WatchKey], done: Iterator[Phases] | Iterator[Detail]) -> list[WatchKey]:
    there = {record.key for record in done}
    return [key for key in expected if key not in there]


def _events(bench: PreparedBench, arm: PreparedArm, prompt: PreparedPrompt) -> Iterator[Event]:
    assert arm.events is not None, "only decodes of our own are watched"
    seed = derive_seed(bench.seed, prompt.record.id, 0)  # that of the first repetition: the same text
    return arm.events(prompt.tokens, prompt.record.max_new_tokens, seed)


def _phases(bench: PreparedBench, arm: PreparedArm, prompt: PreparedPrompt) -> Phases:
    return record_phases(_events(bench, arm, prompt), bench.clock, arm.arm.id, prompt.record.id)


def _detail(bench: PreparedBench, arm: PreparedArm, prompt: PreparedPrompt) -> Detail:
    found = record_detail(_events(bench, arm, prompt), arm.arm.id, prompt.record.id)
    return found.model_copy(update={"prompt_tokens": tuple(prompt.tokens)})


def _try(
    record: Callable[[PreparedArm, PreparedPrompt], _R], arm: PreparedArm, prompt: PreparedPrompt, kind: type[_R]
) -> _R:
    try:
        return record(arm, prompt)
    except EngineLostError:  # the others would fail, too, and count as done
        raise
    except Exception as error:  # a failed decode must not take the others with it
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return kind(arm=arm.arm.id, prompt_id=prompt.record.id, error=reason)
