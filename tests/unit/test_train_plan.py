"""Batches are full, and what is written first has of everything."""

from __future__ import annotations

import random
from typing import cast

import pytest

from draftlab.errors import DraftlabError
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import PlannedBatch, Planner
from draftlab.train.texts import Text, held_out_sources
from draftlab.types import Tokenizer

ROWS = 24
NEW = 64


class Letters:
    """A token a letter; the first says what kind of text it is, as the letters of others are small."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        return [ord("R"), *self.encode(messages[0]["content"])]


class Nothing:
    def occurs_in(self, tokens: list[int]) -> bool:
        return False


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    rng = random.Random(1)

    def words(least: int, most: int) -> str:
        return "".join(rng.choices("abcdefgh", k=rng.randint(least, most)))

    found = [Text(f"code {i // 4}", "C" + words(20, 600), "code") for i in range(400)]
    found += [Text(f"prose {i // 4}", "P" + words(20, 600), "prose") for i in range(400)]
    return found + [Text(f"topic {i // 4}", words(5, 200), "request", is_request=True) for i in range(300)]


def plan_of(texts: list[Text], most: int = ROWS, *, mixed: bool = True, seed: int = 0) -> list[PlannedBatch]:
    planner = Planner(lambda length: max(1, min(most, 20_000 // length)), NEW, mixed=mixed)
    return planner.plan(texts, cast("Tokenizer", Letters()), cast("Forbidden", Nothing()), seed)


def learned(plan: list[PlannedBatch]) -> list[PlannedBatch]:
    return [batch for batch in plan if not batch.held_out]


def test_batches_are_full(texts: list[Text]) -> None:
    sizes = [len(batch.prompts) for batch in learned(plan_of(texts))]
    assert sum(size == ROWS for size in sizes) >= len(sizes) - 1


def test_batches_are_as_small_as_memory_wants_them(texts: list[Text]) -> None:
    for batch in plan_of(texts, most=1000):
        assert len(batch.prompts) * (max(map(len, batch.prompts)) + batch.new_tokens) <= 20_000


def test_prompts_in_a_batch_differ_less_in_length_than_all_do(texts: list[Text]) -> None:
    batches = learned(plan_of(texts))
    padding = sum(max(map(len, batch.prompts)) * len(batch.prompts) for batch in batches)
    prompts = [prompt for batch in batches for prompt in batch.prompts]
    assert padding < 1.25 * sum(map(len, prompts)) < 0.5 * max(map(len, prompts)) * len(prompts)


def test_wherever_time_ends_there_is_something_of_everything(texts: list[Text]) -> None:
    plan = plan_of(texts)
    assert [batch.held_out for batch in plan[:4]] == [False, True, False, True]
    for start in (0, 12):  # blocks of twelve
        some = learned(plan)[start : start + 12]
        kinds = [chr(prompt[0]) for batch in some for prompt in batch.prompts]
        assert all(kinds.count(kind) >= len(kinds) // 4 for kind in "CPR")
        lengths = [len(prompt) for batch in some for prompt in batch.prompts]
        assert min(lengths) <= 32 and max(lengths) >= 192
        assert {batch.temperature for batch in some} == {0.0, 0.8, 1.0}


def test_texts_of_the_targets_own_are_begun_by_chance(texts: list[Text]) -> None:
    openers = [Text(f"opener {text}", text, "opener", is_opener=True) for text in ("The", "def", "#")]
    plan = learned(plan_of([*texts, *openers]))
    own = [batch for batch in plan if len(batch.prompts[0]) <= 3]
    assert 0.3 < len(own) / len(plan) < 0.35  # every third
    given = {prompt for batch in own for prompt in batch.prompts}
    assert given == {tuple(map(ord, text.text)) for text in openers}
    for batch in own:
        assert len(batch.prompts) == ROWS and batch.temperature == 1.0
        assert batch.drawn is not None and batch.new_tokens - batch.drawn == NEW
    ways = {(batch.temperature, batch.drawn) for batch in plan if batch not in own}
    assert ways == {(0.0, None), (0.8, None), (1.0, round(NEW / 3))}


def test_what_is_held_out_is_nowhere_else(texts: list[Text]) -> None:
    plan = plan_of(texts)
    held = {text.text for text in texts if text.source in held_out_sources(texts)}

    def is_held(prompt: tuple[int, ...]) -> bool:
        start = "".join(map(chr, prompt)).removeprefix("R")
        return any(text.startswith(start) for text in held)

    for batch in plan:
        assert all(is_held(prompt) for prompt in batch.prompts if len(prompt) > 12) is batch.held_out
    assert all(batch.temperature == 0.0 for batch in plan if batch.held_out)
    assert sum(len(batch.prompts) for batch in plan if batch.held_out) == 2 * ROWS


def test_networks_that_need_it_get_batches_of_one_length(texts: list[Text]) -> None:
    plan = plan_of(texts, mixed=False)
    assert all(len(set(map(len, batch.prompts))) == 1 for batch in plan)
    mixed = sorted(prompt for batch in learned(plan_of(texts)) for prompt in batch.prompts)
    assert sorted(prompt for batch in learned(plan) for prompt in batch.prompts) == mixed


def test_the_seed_alone_decides(texts: list[Text]) -> None:
    assert plan_of(texts) == plan_of(texts)
    assert plan_of(texts) != plan_of(texts, seed=1)


def prompts(num: int = 15, length: int = 40) -> list[Text]:
    rng = random.Random(2)
    return [Text(f"mine {i}", "".join(rng.choices("abcdefgh", k=length + i)), is_prompt=True) for i in range(num)]


def plan_of_prompts(
    texts: list[Text], forbidden: object = None, *, mixed: bool = True, context: int | None = None
) -> tuple[list[PlannedBatch], list[str]]:
    said: list[str] = []
    planner = Planner(lambda _: ROWS, NEW, mixed=mixed, context=context, say=said.append)
    return planner.plan(texts, cast("Tokenizer", Letters()), cast("Forbidden", forbidden or Nothing()), 0), said


@pytest.mark.parametrize("mixed", [True, False])
def test_few_prompts_are_whole_and_drawn_again_but_greedy_once(mixed: bool) -> None:
    texts = prompts()
    plan, said = plan_of_prompts(texts, mixed=mixed)
    held = held_out_sources(texts)
    whole = {tuple(map(ord, text.text)): text.source in held for text in texts}
    assert not said
    assert all(whole[prompt] is batch.held_out for batch in plan for prompt in batch.prompts)
    greedy = [prompt for batch in plan if batch.temperature == 0.0 for prompt in batch.prompts]
    assert sorted(greedy) == sorted(whole)
    drawn = [batch for batch in learned(plan) if batch.temperature]
    assert {(batch.temperature, batch.drawn) for batch in drawn} == {(0.8, None), (1.0, round(NEW / 3))}
    assert sum(len(batch.prompts) for batch in drawn) > 20_000  # so that time ends it
    if mixed:
        assert len(drawn[0].prompts) + len(texts) - len(held) > ROWS


def test_one_prompt_fills_a_batch() -> None:
    plan, _ = plan_of_prompts(prompts(2))
    assert [len(batch.prompts) for batch in plan[:6]] == [1, ROWS, ROWS, ROWS - 1, ROWS, 1]
    assert [batch.held_out for batch in plan[:7]] == [False, True, False, True, False, True, False]
    assert [batch.temperature for batch in plan if batch.held_out] == [1.0, 1.0, 0.0]


def test_chats_go_through_the_template_whole() -> None:
    told = ({"role": "user", "content": "abc"},)
    texts = [Text(f"mine {i}", str(i), is_prompt=True, messages=told) for i in range(2)]
    assert {prompt for batch in plan_of_prompts(texts)[0] for prompt in batch.prompts} == {tuple(map(ord, "Rabc"))}


def test_prompts_that_cannot_be_used_are_told_of() -> None:
    class Known:
        def occurs_in(self, tokens: list[int]) -> bool:
            return len(tokens) % 2 == 0

    texts = prompts()
    plan, said = plan_of_prompts(texts, Known(), context=100)
    assert ["more than 50 tokens" in said[0], "built-in suites" in said[1], len(said)] == [True, True, 2]
    assert all(len(prompt) <= 50 for batch in plan for prompt in batch.prompts)
    assert all(len(prompt) % 2 for batch in learned(plan) for prompt in batch.prompts)
    with pytest.raises(DraftlabError, match="15 of 15 prompts have more than 20 tokens: too few are left"):
        plan_of_prompts(texts, context=40)


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(DraftlabError, match="too few"):
        plan_of([Text("alone", "one text that is short")])
