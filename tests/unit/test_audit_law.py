"""The law of the next tokens: likely texts, stops, and where a text is cut."""

from __future__ import annotations

from itertools import product

import pytest

from draftlab.audit.law import TargetLaw
from draftlab.engines.toy import ToyModel
from draftlab.spec import Sampling
from draftlab.testing.oracle import law_of_target

PROMPT = [1, 0]
HOT = Sampling(temperature=1.0)


def logits(text: list[int]) -> list[float]:
    last: list[float] = ToyModel(4).forward(text)[-1].tolist()
    return last


def law(stop: frozenset[int] = frozenset(), sampling: Sampling = HOT) -> TargetLaw:
    return TargetLaw(logits, PROMPT, sampling, stop)  # type: ignore[arg-type]


@pytest.mark.parametrize("stop", [frozenset(), frozenset({2})])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_with_room_for_all_it_is_the_oracles_law(size: int, stop: frozenset[int]) -> None:
    found = law(stop).likely((), size, 0.0, 1000)
    expected = law_of_target(logits, PROMPT, HOT, size, stop)  # type: ignore[arg-type]
    assert found.keys() == expected.keys()
    assert all(found[text] == pytest.approx(expected[text], abs=1e-12) for text in found)
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_likeliest_come_first_and_rare_ones_not_at_all() -> None:
    every = law().likely((), 2, 0.0, 1000)
    some = law().likely((), 2, 0.05, 4)
    assert len(some) <= 4
    assert min(some.values()) >= 0.05
    assert max(some, key=some.__getitem__) == max(every, key=every.__getitem__)


def test_a_conditional_starts_where_it_is_told() -> None:
    found = law().likely((3,), 1, 0.0, 1000)
    assert {text[:1] for text in found} == {(3,)}
    assert sum(found.values()) == pytest.approx(1.0)


def test_nothing_follows_a_stop() -> None:
    stopped = law(frozenset({2}))
    assert stopped.is_ended((0, 2)) and not stopped.is_ended((2, 0)) and not stopped.is_ended(())
    assert stopped.cut([0, 2, 2, 1]) == (0, 2)
    assert stopped.cut([0, 1]) == (0, 1)


def test_what_is_truncated_cannot_be_written() -> None:
    top = law(sampling=Sampling(temperature=1.0, top_k=2))
    kept = set(top.next(()).nonzero()[0].tolist())
    assert [top.is_impossible((token,)) for token in range(4)] == [token not in kept for token in range(4)]
    assert not top.is_impossible((min(kept), 0))  # nobody has asked yet what may follow


def test_truncated_tokens_have_no_probability() -> None:
    top = law(sampling=Sampling(temperature=1.0, top_k=2))
    for text in product(range(4), repeat=1):
        assert (top.next(text) > 0).sum() == 2
