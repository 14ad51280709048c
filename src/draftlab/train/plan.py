"""In which batches the target reads and writes, decided before it does: a run that was killed goes on alike."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from draftlab.errors import DraftlabError
from draftlab.train.overlap import Forbidden
from draftlab.train.texts import Text, held_out_sources
from draftlab.types import Tokenizer

_BEGINNINGS = (16, 32, 48, 64, 96, 192, 320, 448)  # tokens of a text that are given
_LONGEST = 448  # tokens of a request
_TEMPERATURE = 0.8
_FREE = 1.0  # the temperature at which the target begins a text of its own
_DRAWN = 1 / 3  # of such a text; the rest is greedy
_FREE_EVERY = 2  # of the batches that are written
_IN_A_BLOCK = 12  # batches
_HELD_OUT = (160, 2)  # texts, and batches' worth of them where time or memory allow for few
_MOST_HELD_OUT = 10  # batches
_MOST_TEXTS = 24_000  # more would take longer to tokenise than to learn from
_LONGEST_PROMPT = 1024  # tokens of a user's own: hidden states of more would crowd out those of what is written

Prompt = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Prompts that are gone on from together."""

    prompts: tuple[Prompt, ...]
    new_tokens: int
    temperature: float
    held_out: bool
    drawn: int | None = None
    """How many of the new tokens are drawn, before the likeliest follow; None: all of them."""
    is_again: bool = False
    """Whether its prompts are gone on from in other batches, too."""


class Planner:
    """Cuts prompts into batches that a network can take."""

    def __init__(
        self,
        most_texts: Callable[[int], int],
        new_tokens: int,
        *,
        mixed: bool,
        context: int | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._most_texts = most_texts
        context = context or sys.maxsize
        self._new_tokens = new_tokens = min(new_tokens, context // 2)
        room = context - new_tokens
        self._longest, self._longest_prompt = min(_LONGEST, room), min(_LONGEST_PROMPT, room)
        self._say = say
        self._mixed = mixed
        """Whether prompts of unlike length can share a batch."""
        self._rows = most_texts(self._longest + new_tokens)

    def plan(self, texts: Sequence[Text], tokenizer: Tokenizer, forbidden: Forbidden, seed: int) -> list[PlannedBatch]:
        """Every batch that there could be, in the order in which they are written; time ends the list earlier."""
        if any(text.is_prompt for text in texts):
            return self._plan_prompts(texts, tokenizer, forbidden)
        rng = random.Random(seed)
        openers = [tuple(tokenizer.encode(text.text)) for text in texts if text.is_opener]
        others = [text for text in texts if not text.is_opener]
        written, held = _in_turn(others, tokenizer, forbidden, rng, self._longest)
        return self._in_order(list(self._learned_from(written, openers, rng)), held)

    def _plan_prompts(self, texts: Sequence[Text], tokenizer: Tokenizer, forbidden: Forbidden) -> list[PlannedBatch]:
        """The same of prompts, of which there are few."""
        given = [(text, _whole(text, tokenizer)) for text in texts]
        usable = [(text, tokens) for text, tokens in given if 0 < len(tokens) <= self._longest_prompt]
        held_sources = held_out_sources([text for text, _ in usable])
        held = [tokens for text, tokens in usable if text.source in held_sources]
        new = [tokens for text, tokens in usable if text.source not in held_sources]
        learned = [tokens for tokens in new if not forbidden.occurs_in(tokens)]
        reasons = {
            f"have more than {self._longest_prompt} tokens": len(given) - len(usable),
            "share text with the built-in suites, which judge drafters and teach none": len(new) - len(learned),
        }
        left_out = [f"{num} of {len(texts)} prompts {why}" for why, num in reasons.items() if num]
        if not (learned and held):
            short = (
                f"{'; '.join(left_out)}: too few are left" if left_out else "one prompt cannot be learned and held out"
            )
            raise DraftlabError(short, "Measure more prompts of your own.")
        for why in left_out:
            self._say(f"{why}: left out")
        return self._in_order(list(self._again_and_again(learned)), held, self._held_again(held))

    def _again_and_again(self, prompts: Sequence[Prompt]) -> Iterator[PlannedBatch]:
        """Each greedily once, which is one text, and then drawn, which is another at each time, until time ends it."""
        if not prompts:
            return
        for some in self._cut(prompts, self._new_tokens):
            yield replace(self._chosen(some, 0), is_again=True)
        copies = [*prompts] * max(1, self._rows // len(prompts))  # a full batch takes little longer than one of a few
        drawings = [list(self._cut(copies, self._new_tokens))] * max(1, _MOST_TEXTS // len(copies))
        for number, batches in enumerate(drawings):
            for some in batches:
                yield replace(self._chosen(some, 1 + number % 2), is_again=True)

    def _held_again(self, held: Sequence[Prompt]) -> list[PlannedBatch]:
        """As many texts as are held out of many prompts: greedy ones, each after a beginning of its own."""
        room = self._most_held // max(1, len(held)) - 1
        cut = self._cut([*held] * room, self._new_tokens)
        return [replace(self._chosen(some, 2), held_out=True) for some in cut]

    @property
    def _most_held(self) -> int:
        texts, batches = _HELD_OUT
        return min(texts, batches * self._rows)

    def _in_order(
        self, train: Sequence[PlannedBatch], held: Sequence[Prompt], more: Sequence[PlannedBatch] = ()
    ) -> list[PlannedBatch]:
        """Those that are held out among the first, as time may end the list early."""
        cut = self._cut(held[: self._most_held], self._new_tokens)
        apart = [*(PlannedBatch(some, self._new_tokens, 0.0, True) for some in cut), *more]
        if not apart or not train:
            raise DraftlabError("the data are too few to hold some of them out", "Give more or longer texts.")
        apart = sorted(apart, key=lambda batch: -len(batch.prompts))[:_MOST_HELD_OUT]
        first = chain.from_iterable(zip(train, apart, strict=False))
        return [*first, *train[len(apart) :], *apart[len(train) :]]

    def _learned_from(
        self, written: Sequence[Prompt], openers: Sequence[Prompt], rng: random.Random
    ) -> Iterator[PlannedBatch]:
        """Blocks that have of everything, wherever time ends: of every kind and length, greedy, sampled and free."""
        size = _IN_A_BLOCK * self._rows if self._mixed else max(1, len(written))
        num_written = 0
        for number, start in enumerate(range(0, len(written), size)):
            batches = []
            for place, some in enumerate(self._cut(written[start : start + size], self._new_tokens)):
                batches.append(self._chosen(some, (number + place) % 3))  # every length in each way, in some block
            if self._mixed:
                rng.shuffle(batches)
            else:
                batches.sort(key=lambda batch: -len(batch.prompts))  # small ones take as long, so they come last
            for batch in batches:
                yield batch
                num_written += 1
                if openers and num_written % _FREE_EVERY == 0:
                    yield self._free(rng.choices(openers, k=self._rows))

    def _chosen(self, prompts: tuple[Prompt, ...], way: int) -> PlannedBatch:
        """Greedy, sampled, or greedy after a beginning that was drawn."""
        temperature = (0.0, _TEMPERATURE, _FREE)[way]
        drawn = round(_DRAWN * self._new_tokens) if way == 2 else None
        return PlannedBatch(prompts, self._new_tokens, temperature, False, drawn)

    def _free(self, prompts: Sequence[Prompt]) -> PlannedBatch:
        """Texts of which nothing is given but the kind; what is drawn makes each another, so it counts as a prompt."""
        drawn = min(round(_DRAWN * self._new_tokens), max(0, self._longest - max(map(len, prompts))))
        num = self._new_tokens + drawn
        if not self._mixed:
            prompts = [prompt for prompt in prompts if len(prompt) == len(prompts[0])]
        return PlannedBatch(tuple(prompts), num, _FREE, False, drawn)

    def _cut(self, prompts: Sequence[Prompt], new_tokens: int) -> Iterator[tuple[Prompt, ...]]:
        """Full batches from long to short, so that those in one differ little; of one length where they have to."""
        left = sorted(prompts, key=lambda prompt: (-len(prompt), prompt))
        while left:
            num = self._most_texts(len(left[0]) + new_tokens)
            if not self._mixed:
                num = min(num, sum(len(prompt) == len(left[0]) for prompt in left))
            yield tuple(left[:num])
            left = left[num:]


def _in_turn(
    texts: Sequence[Text], tokenizer: Tokenizer, forbidden: Forbidden, rng: random.Random, longest: int
) -> tuple[list[Prompt], list[Prompt]]:
    """Prompts to go on from, and prompts that are held out; of each, one of every kind in turn."""
    chosen = rng.sample(texts, min(len(texts), _MOST_TEXTS))
    held_sources = held_out_sources(texts)
    written: dict[str, list[Prompt]] = defaultdict(list)
    held: dict[str, list[Prompt]] = defaultdict(list)
    for text in chosen:
        prompt = _prompt(text, tokenizer, rng, longest)
        if prompt and text.source in held_sources:
            held[text.kind].append(prompt)
        elif prompt and not forbidden.occurs_in(prompt):
            written[text.kind].append(prompt)
    return list(_alternating(written)), list(_alternating(held))


def _alternating(kinds: dict[str, list[Prompt]]) -> Iterator[Prompt]:
    """One of each kind in turn for as long as there are any, so that none crowds out the others."""
    turns = chain.from_iterable(zip_longest(*(prompts for _, prompts in sorted(kinds.items()))))
    return (prompt for prompt in turns if prompt is not None)


def _whole(text: Text, tokenizer: Tokenizer) -> Prompt:
    """As a bench gives it to the target."""
    return tuple(tokenizer.encode(text.text) if text.messages is None else tokenizer.encode_chat(text.messages))


def _prompt(text: Text, tokenizer: Tokenizer, rng: random.Random, longest: int) -> Prompt:
    """Where the target goes on; nothing where a request is longer than that."""
    if text.is_request:
        try:
            tokens = tokenizer.encode_chat([{"role": "user", "content": text.text}])
        except DraftlabError:  # a base model
            tokens = tokenizer.encode(text.text)
        return tuple(tokens) if len(tokens) <= longest else ()
    tokens = tokenizer.encode(text.text)
    fitting = [length for length in _BEGINNINGS if length <= min(longest, len(tokens))]
    return tuple(tokens[: rng.choice(fitting)] if fitting else tokens[:longest])  # a short one is a beginning as it is
