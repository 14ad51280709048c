"""In which batches the target reads and writes, decided before it does: a run that was killed goes on alike."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from draftlab.errors import DraftlabError
from draftlab.train.overlap import Forbidden
from draftlab.train.texts import Text, held_out_sources
from draftlab.types import Tokenizer

_BEGINNINGS = (16, 32, 48, 64, 96, 192, 320)  # tokens of a text that are given
_WINDOW = 128  # tokens of a text that is only read
_READ_EVERY = 7
_SAMPLED_EVERY = 2
_TEMPERATURE = 0.8
_LONGEST_REQUEST = 320
_HELD_OUT_EVERY = 3
_MOST_HELD_OUT = 10  # batches: two of each of the five kinds
_MOST_TEXTS = 24_000  # more would take longer to tokenise than to learn from


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Prompts of one length."""

    prompts: tuple[tuple[int, ...], ...]
    new_tokens: int
    """0: they are whole texts that are only read."""
    temperature: float
    held_out: bool


def plan_batches(
    texts: Sequence[Text],
    tokenizer: Tokenizer,
    forbidden: Forbidden,
    most_texts: Callable[[int], int],
    new_tokens: int,
    seed: int,
) -> list[PlannedBatch]:
    """Every batch that there could be, in the order in which they are written; time ends the list earlier."""
    rng = random.Random(seed)
    chosen = rng.sample(texts, min(len(texts), _MOST_TEXTS))
    held_sources = held_out_sources(texts)
    groups: dict[tuple[bool, str, int, bool], list[tuple[int, ...]]] = defaultdict(list)
    for text in chosen:
        for read, tokens in _prompts(text, tokenizer, rng):
            is_held = text.source in held_sources
            if is_held or not forbidden.occurs_in(tokens):
                groups[is_held, text.kind, len(tokens), read].append(tuple(tokens))
    train: dict[tuple[str, bool], list[PlannedBatch]] = defaultdict(list)
    held: dict[str, list[PlannedBatch]] = defaultdict(list)
    for (held_out, kind, length, read), prompts in sorted(groups.items()):
        new = 0 if read else new_tokens
        for batch in _cut(prompts, most_texts(length + new), new, held_out):
            if not held_out:
                train[kind, read].append(batch)
            elif not read:
                held[kind].append(batch)
    for batches in (*train.values(), *held.values()):
        rng.shuffle(batches)
        batches.sort(key=lambda batch: -min(32, len(batch.prompts)))  # small ones take as long, so they come last
    plan = list(_in_turn(train, held))
    if {batch.held_out for batch in plan} != {True, False}:
        raise DraftlabError("the data are too few to hold some of them out", "Give more or longer texts.")
    return plan


def _prompts(text: Text, tokenizer: Tokenizer, rng: random.Random) -> Iterator[tuple[bool, list[int]]]:
    """(whether it is only read, tokens)"""
    if text.is_request:
        try:
            tokens = tokenizer.encode_chat([{"role": "user", "content": text.text}])
        except DraftlabError:  # a base model
            tokens = tokenizer.encode(text.text)
        if len(tokens) <= _LONGEST_REQUEST:
            yield False, tokens
        return
    tokens = tokenizer.encode(text.text)
    fitting = [length for length in _BEGINNINGS if length <= len(tokens)]
    if tokens:  # what is shorter than all of them is a beginning as it is
        yield False, tokens[: rng.choice(fitting)] if fitting else tokens
    if len(tokens) >= _WINDOW:
        yield True, tokens[:_WINDOW]


def _cut(prompts: list[tuple[int, ...]], most: int, new: int, held_out: bool) -> Iterator[PlannedBatch]:
    for number, start in enumerate(range(0, len(prompts), most)):
        some = tuple(prompts[start : start + most])
        sampled = not held_out and new > 0 and number % _SAMPLED_EVERY == _SAMPLED_EVERY - 1
        yield PlannedBatch(some, new, _TEMPERATURE if sampled else 0.0, held_out)


def _in_turn(
    train: dict[tuple[str, bool], list[PlannedBatch]], held: dict[str, list[PlannedBatch]]
) -> Iterator[PlannedBatch]:
    """Kinds in turn, whole windows now and then; what is held out among the first, a batch of each kind."""
    waiting = [batches.pop(0) for _ in range(_MOST_HELD_OUT) for batches in held.values() if batches][:_MOST_HELD_OUT]
    writing = [iter(batches) for (_, read), batches in sorted(train.items()) if not read]
    reading = [iter(batches) for (_, read), batches in sorted(train.items()) if read]
    number = 0
    while writing or reading:
        if waiting and (not writing or number % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1):
            yield waiting.pop(0)
        turn = reading if reading and (number % _READ_EVERY == _READ_EVERY - 1 or not writing) else writing
        source = turn.pop(0)
        batch = next(source, None)
        if batch is not None:
            turn.append(source)
            yield batch
        number += 1
    yield from waiting
