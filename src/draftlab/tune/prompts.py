"""Which prompts are tuned on, and which confirm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from draftlab.records import RunManifest
from draftlab.suites import Prompt, Suite

_EVERY = 3
_MOST_CONFIRMING = 12


def split(suites: Sequence[Suite]) -> tuple[list[Suite], list[Suite]]:
    """Every third prompt confirms and the others are tuned on; all of them do both where there are fewer than three."""
    places = [(suite.name, prompt) for suite in suites for prompt in suite.prompts]
    if len(places) < _EVERY:
        return list(suites), list(suites)
    held_out = places[_EVERY - 1 :: _EVERY]
    num = min(len(held_out), _MOST_CONFIRMING)
    few = [held_out[i * len(held_out) // num] for i in range(num)]
    return _group([place for i, place in enumerate(places) if i % _EVERY != _EVERY - 1]), _group(few)


def num_shared(one: Sequence[Suite], other: Sequence[Suite]) -> int:
    """How many prompts of `other` are in `one` as well, by their words."""
    words = {_words(prompt) for suite in one for prompt in suite.prompts}
    return sum(_words(prompt) in words for suite in other for prompt in suite.prompts)


def suites_of(manifest: RunManifest) -> list[Suite]:
    """The prompts of a run, as it decoded them."""
    fields = set(Prompt.model_fields)
    return _group([(p.suite, Prompt.model_validate(p.model_dump(include=fields))) for p in manifest.prompts])


def _words(prompt: Prompt) -> str:
    return prompt.model_dump_json(include={"prompt", "messages"})


def _group(places: Sequence[tuple[str, Prompt]]) -> list[Suite]:
    return [
        Suite(name, tuple(prompt for _, prompt in group)) for name, group in groupby(places, key=lambda place: place[0])
    ]
