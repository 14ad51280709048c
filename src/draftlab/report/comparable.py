"""May two runs be compared? What differs in what they decode forbids it; what differs around them is worth a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from draftlab.records import PromptRecord, RunManifest

_MACHINE = {"cpu": "processor", "threads": "threads", "gpus": "GPUs"}
_SOFTWARE = ("draftlab", "torch", "transformers")


def differences(reference: RunManifest, other: RunManifest) -> list[str]:
    """Each reason why figures of the two runs do not answer the same question; none where they may be compared."""
    found = _prompts(reference, other)
    if not _same_weights(reference.target, other.target):
        found.append(f"other target ({_named(reference.target, other.target)})")
    for name, called in (("dtype", "dtype of the target"), ("fixed_rows", "exact mode, rows of a pass")):
        found += _other(called, reference.target.get(name), other.target.get(name))
    for name in type(reference.sampling).model_fields:
        found += _other(name.replace("_", " "), getattr(reference.sampling, name), getattr(other.sampling, name))
    found += _other("stop tokens", list(reference.stop_tokens), list(other.stop_tokens))
    found += _other("stop strings", list(reference.stop_strings), list(other.stop_strings))
    return found


def notes(reference: RunManifest, other: RunManifest) -> list[str]:
    """What else is not the same; a comparison has to be read with it, and can be made."""
    found = []
    machine = [
        line
        for name, called in _MACHINE.items()
        for line in _other(called, reference.environment.get(name), other.environment.get(name))
    ]
    machine += _other("device", reference.target.get("device"), other.target.get("device"))
    if machine:
        found.append(f"other machine ({'; '.join(machine)}): tokens per second cannot be compared, speed-ups can")
    before, now = (manifest.environment.get("packages") or {} for manifest in (reference, other))
    software = [line for name in _SOFTWARE for line in _other(name, before.get(name), now.get(name))]
    if software:
        found.append(f"other software ({'; '.join(software)})")
    found += _other("form of the target's weights", reference.target.get("linear"), other.target.get("linear"))
    found += [
        f"the model of drafter {name} has other weights"
        for name in sorted(reference.drafters.keys() & other.drafters.keys())
        if not _same_weights(reference.drafters[name], other.drafters[name])
    ]
    found += _other("repetitions", reference.repetitions, other.repetitions)
    if reference.sampling.temperature:
        found += _other("seed", reference.seed, other.seed)
    return found


def shared_prompts(reference: RunManifest, other: RunManifest) -> list[PromptRecord]:
    """The reference's prompts that the other run has as well, under the same id and with the same words."""
    theirs = {prompt.id: prompt for prompt in other.prompts}
    return [p for p in reference.prompts if p.id in theirs and _words(p) == _words(theirs[p.id])]


def _words(prompt: PromptRecord) -> Any:
    return prompt.prompt, prompt.messages


def _prompts(reference: RunManifest, other: RunManifest) -> list[str]:
    ours, theirs = ({prompt.id: prompt for prompt in manifest.prompts} for manifest in (reference, other))
    common = [(prompt, theirs[name]) for name, prompt in ours.items() if name in theirs]

    def unlike(facet: Callable[[PromptRecord], Any]) -> list[tuple[PromptRecord, PromptRecord]]:
        return [(mine, yours) for mine, yours in common if facet(mine) != facet(yours)]

    found = []
    if ours.keys() != theirs.keys():
        only = f"{len(ours.keys() - theirs.keys())} only in the reference, {len(theirs.keys() - ours.keys())} only here"
        suites = _other("suites", list(reference.suites), list(other.suites))
        found.append(f"other prompts ({'; '.join([only, *suites])})")
    if changed := unlike(_words):
        found.append(f"other words in {_many(changed)} ({changed[0][0].id}, for one)")
    elif changed := unlike(lambda prompt: prompt.num_tokens):
        found.append(f"other tokens for the same words in {_many(changed)} ({changed[0][0].id}, for one)")
    if changed := unlike(lambda prompt: prompt.max_new_tokens):
        mine, yours = changed[0]
        found.append(
            f"other max new tokens in {_many(changed)} ({mine.id}: {mine.max_new_tokens} against "
            f"{yours.max_new_tokens})"
        )
    if changed := unlike(lambda prompt: prompt.category):
        mine, yours = changed[0]
        found.append(f"other category of {_many(changed)} ({mine.id}: {mine.category} against {yours.category})")
    return found


def _many(prompts: Sequence[Any]) -> str:
    return f"{len(prompts)} prompt{'' if len(prompts) == 1 else 's'}"


def _same_weights(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """By the files or the revision where both are known, for a model may lie in another folder; else by its name."""
    for known in (lambda facts: sorted((facts.get("files") or {}).values()), lambda facts: facts.get("revision")):
        if known(one) and known(other):
            return bool(known(one) == known(other))
    return bool(one.get("source") == other.get("source"))


def _named(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    if one.get("source") != other.get("source"):
        return f"{one.get('source')} against {other.get('source')}"
    return f"{one.get('source')} with other weights"


def _other(what: str, one: Any, other: Any) -> list[str]:
    """One line where two values differ."""
    return [] if one == other else [f"{what} {_written(one)} against {_written(other)}"]


def _written(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(repr, value)) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
