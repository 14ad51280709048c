"""A warm-up ends when the machine has settled, and not before; its times are those that a test makes up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from draftlab.bench import warm_up as module
from draftlab.bench.plan import PreparedBench
from draftlab.bench.recorder import Recording
from draftlab.bench.warm_up import warm_up
from draftlab.errors import DraftlabError
from tests.unit.handmade import BASELINE, DRAFTED, bench


def taking(*times_ns: int, arms: int = 2, **changes: object) -> PreparedBench:
    """A bench whose decodes of two tokens take these times, after one of each arm; the last for ever."""
    left = iter(times_ns)
    first = [1] * arms

    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        return Recording((1, 2), decode_ns=first.pop() if first else next(left, times_ns[-1]))

    return bench(decode=decode, **changes)  # type: ignore[arg-type]


def test_it_ends_when_two_times_in_a_row_are_alike() -> None:
    found = warm_up(taking(200, 150, 110, 106, 100, 100))
    assert found.decode_ns == (200, 150, 110, 106)
    assert found.tokens == (2, 2, 2, 2)
    assert found.settled


def test_times_are_compared_per_token() -> None:
    texts: Iterator[tuple[int, ...]] = iter([(1,), (1,), (1, 2), (1, 2, 3, 4)])

    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        tokens = next(texts)
        return Recording(tokens, decode_ns=100 * len(tokens))

    assert warm_up(bench(decode=decode)).tokens == (2, 4)


def test_patience_ends_with_the_number_of_tries() -> None:
    found = warm_up(taking(*[100, 200] * 20))
    assert len(found.decode_ns) == module.MOST_TRIES
    assert not found.settled


def test_patience_ends_with_the_time() -> None:
    found = warm_up(taking(module.MOST_NS // 2, module.MOST_NS, 1))
    assert len(found.decode_ns) == 2
    assert not found.settled


def test_the_shortest_prompt_is_decoded() -> None:
    prepared = taking(1, num_prompts=3)
    long, short, middle = prepared.prompts
    prompts = [replace(long, tokens=[1, 2, 3]), replace(short, tokens=[1]), replace(middle, tokens=[1, 2])]
    assert warm_up(replace(prepared, prompts=prompts)).prompt_id == "p1"


def test_every_arm_decodes_once_and_the_baseline_goes_on() -> None:
    calls: list[str] = []

    def named(name: str) -> object:
        def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
            calls.append(name)
            return Recording((1,), decode_ns=5)

        return decode

    prepared = bench([BASELINE, DRAFTED])
    arms = [replace(arm, decode=named(arm.arm.id)) for arm in prepared.arms]
    warm_up(replace(prepared, arms=arms))
    assert calls == [BASELINE.id, DRAFTED.id, BASELINE.id, BASELINE.id]


def failing(*prompts: int, from_room: int = 0) -> PreparedBench:
    def decode(prompt: Sequence[int], room: int, seed: int) -> Recording:
        if prompt[0] in prompts and room >= from_room:
            raise ArithmeticError("no\nsecond line")
        return Recording((1,), decode_ns=5)

    return bench(num_prompts=2, decode=decode)


def test_a_prompt_that_fails_is_left_out() -> None:
    assert warm_up(failing(0)).prompt_id == "p1"


def test_an_arm_that_can_decode_no_prompt_is_named() -> None:
    with pytest.raises(DraftlabError, match=r"none cannot decode any prompt: ArithmeticError: no$"):
        warm_up(failing(0, 1))


def test_a_text_that_fails_further_on_ends_the_warm_up_and_not_the_run() -> None:
    first = failing().prompts[0]
    prepared = failing(0, 1, from_room=9)
    prompts = [replace(first, record=first.record.model_copy(update={"max_new_tokens": 12}))]
    found = warm_up(replace(prepared, prompts=prompts))
    assert (found.decode_ns, found.settled) == ((), False)
