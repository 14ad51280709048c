"""Remembered passes are the model's own, in whatever order texts come."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from draftlab.audit.memo import RememberedModel, RowMemory
from draftlab.engines.toy import ToyModel
from draftlab.errors import ContractError

TEXTS = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=30), min_size=1, max_size=12)


class Strict(ToyModel):
    """Holds its caller to the contract: no rollback below the last one."""

    settled = 0

    def reset(self, capacity: int | None = None) -> None:
        super().reset(capacity)
        self.settled = 0

    def rollback(self, length: int) -> None:
        assert length >= self.settled
        super().rollback(length)
        self.settled = length


@given(texts=TEXTS, prompt=st.lists(st.integers(0, 4), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_a_fresh_pass(texts: list[list[int]], prompt: list[int]) -> None:
    model = RememberedModel(RowMemory(Strict(5)))
    for rest in texts:
        model.reset()
        model.forward(prompt, num_rows=1)
        first = model.forward(rest[:2])
        model.rollback(len(prompt) + 1)
        second = model.forward(rest[1:])
        fresh = ToyModel(5)
        expected = fresh.forward([*prompt, *rest])[len(prompt) :]
        assert torch.equal(first, expected[:2])
        assert torch.equal(second, expected[1:])


def test_what_was_passed_once_is_not_passed_again() -> None:
    inner = ToyModel(5)
    memory = RowMemory(inner)
    for _ in range(100):
        model = RememberedModel(memory)
        model.forward([1, 2, 3], num_rows=1)
        model.forward([4, 0])
    assert inner.num_forwarded <= 8
    assert model.num_forwarded == 5


def test_a_fresh_pass_disturbs_nothing() -> None:
    memory = RowMemory(ToyModel(5))
    model = RememberedModel(memory)
    model.forward([1, 2, 3], num_rows=1)
    assert torch.equal(memory.fresh([4, 4], [1, 2]), ToyModel(5).forward([4, 4, 1, 2])[-1])
    assert torch.equal(model.forward([0]), ToyModel(5).forward([1, 2, 3, 0])[-1:])


def test_a_full_memory_forgets_the_oldest_and_never_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("draftlab.audit.memo._BUDGET", 6 * 5 * 8)  # six rows
    model = RememberedModel(RowMemory(Strict(5)))
    for turn in range(200):
        model.reset()
        model.forward([1, 2, 3], num_rows=1)
        rest = [(turn * k) % 5 for k in (1, 2, 3)]
        assert torch.equal(model.forward(rest), ToyModel(5).forward([1, 2, 3, *rest])[3:])


def test_it_cannot_be_rolled_back_to_what_it_never_had() -> None:
    model = RememberedModel(RowMemory(ToyModel(5)))
    with pytest.raises(ContractError, match="roll back"):
        model.rollback(1)
