"""Which decodes to make, in which order."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.side_by_side.arms import Arm
from benchmarks.side_by_side.decodes import Key
from benchmarks.side_by_side.networks import Networks
from draftlab.suites import load_suites


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt as every arm gets it."""

    id: str
    suite: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One decode."""

    arm: Arm
    text: Text
    repetition: int

    @property
    def key(self) -> Key:
        return (self.arm.name, self.text.id, self.repetition)


def read_texts(networks: Networks, suites: Sequence[str], limit: int) -> list[Text]:
    """The first `limit` prompts of each suite; messages go through the target's chat template."""
    tokenizer = networks.tokenizer
    return [
        Text(
            prompt.id,
            suite.name,
            tuple(tokenizer.encode_chat(prompt.messages) if prompt.messages else tokenizer.encode(prompt.prompt or "")),
        )
        for suite in load_suites(suites, limit)
        for prompt in suite.prompts
    ]


def tasks(arms: Sequence[Arm], texts: Sequence[Text], repetitions: int, done: Collection[Key]) -> Iterator[Task]:
    """The decodes that are not `done`.

    All arms of a prompt follow one another, in an order that is drawn for each prompt, so that none always follows the
    same other one. Prompts of the suites alternate, so that neither has the machine's better hour to itself.
    """
    order = _alternating(texts)
    for repetition in range(repetitions):
        for text in order:
            for arm in random.Random(f"{repetition}/{text.id}").sample(list(arms), len(arms)):
                task = Task(arm, text, repetition)
                if task.key not in done:
                    yield task


def _alternating(texts: Sequence[Text]) -> list[Text]:
    places: dict[str, int] = {}
    numbered = []
    for text in texts:
        places[text.suite] = places.get(text.suite, 0) + 1
        numbered.append((places[text.suite], text))
    return [text for _, text in sorted(numbered, key=lambda pair: pair[0])]
