"""The engine over the library's models: the contract of `LanguageModel`, held against full passes without a cache."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from draftlab.engines.transformers import TransformersModel
from draftlab.errors import ContractError
from draftlab.testing import check_engine
from tests.models.tiny import CONTEXT, FAMILIES, REAL, WIDTH, WINDOW, Family, tiny_family

TOLERANCE = 1e-4  # float32; logits are of the order of ten
TEXT = [5, 40, 2, 2, 17, 33, 8, 21, 0, 46, 11, 5, 40, 3, 29, 29]  # goes far beyond gemma3's window


@torch.no_grad()
def uncached(family: Family, tokens: Sequence[int]) -> Tensor:
    logits: Tensor = family.network(torch.tensor([list(tokens)]), use_cache=False).logits[0]
    return logits


def gap(left: Tensor, right: Tensor) -> float:
    assert left.shape == right.shape
    return float((left - right).abs().max())


def engine(family: Family) -> TransformersModel:
    return TransformersModel(family.network, family.name)


@pytest.mark.parametrize("tokens", [TEXT, TEXT[: WINDOW - 1], TEXT[:WINDOW]], ids=["long", "short", "window"])
def test_it_keeps_the_engines_contract(family: Family, tokens: list[int]) -> None:
    check_engine(engine(family), tokens, TOLERANCE)


def test_the_contract_is_checked_on_logits_that_differ(family: Family) -> None:
    """Else a cache that is never rolled back would pass within the tolerance."""
    other = [(token + 1) % REAL for token in TEXT]
    assert gap(uncached(family, TEXT), uncached(family, other)) > 1000 * TOLERANCE


def test_its_facts_are_the_networks(family: Family) -> None:
    model = engine(family)
    assert (model.name, model.vocab_size, model.context_length) == (family.name, WIDTH, CONTEXT)
    logits = model.forward(TEXT)
    assert (logits.shape, logits.dtype) == ((len(TEXT), WIDTH), torch.float32)


@pytest.mark.parametrize("split", [1, WINDOW, 11])
def test_pieces_are_the_full_pass(family: Family, split: int) -> None:
    model = engine(family)
    parts = torch.cat([model.forward(TEXT[:split]), model.forward(TEXT[split:])])
    assert gap(parts, uncached(family, TEXT)) < TOLERANCE


@pytest.mark.parametrize("num_rows", [1, 2, len(TEXT), None])
def test_the_last_rows_are_given(family: Family, num_rows: int | None) -> None:
    model = engine(family)
    logits = model.forward(TEXT, num_rows)
    assert gap(logits, uncached(family, TEXT)[-(num_rows or len(TEXT)) :]) < TOLERANCE
    assert model.length == len(TEXT), "every token is cached, whatever is asked of its row"


@pytest.mark.parametrize("kept", [1, WINDOW - 1, WINDOW, 9, 15])
def test_what_was_taken_back_is_gone(family: Family, kept: int) -> None:
    model = engine(family)
    model.forward([*TEXT[:kept], *(1 for _ in TEXT[kept:])])
    model.rollback(kept)
    assert model.length == kept
    assert gap(model.forward(TEXT[kept:]), uncached(family, TEXT)[kept:]) < TOLERANCE


def test_rounds_of_drafting_and_taking_back_are_the_full_pass(family: Family) -> None:
    """As the loop does it: prefill, then a pass of several tokens, of which a changing number stays."""
    model = engine(family)
    model.forward(TEXT[:4], num_rows=1)
    rows = []
    while model.length < len(TEXT):
        start, stays = model.length, 1 + len(rows) % 3
        logits = model.forward([*TEXT[start : start + stays], 1, 1, 1])
        rows.append(logits[:stays])
        model.rollback(min(start + stays, len(TEXT)))
    assert gap(torch.cat(rows)[: len(TEXT) - 4], uncached(family, TEXT)[4:]) < TOLERANCE


def test_reset_forgets_all(family: Family) -> None:
    model = engine(family)
    model.forward(TEXT)
    model.reset()
    assert model.length == 0
    assert gap(model.forward(TEXT[3:]), uncached(family, TEXT[3:])) < TOLERANCE


def test_nothing_can_be_taken_back_that_is_not_there(family: Family) -> None:
    model = engine(family)
    model.forward(TEXT[:5])
    with pytest.raises(ContractError, match="cannot roll back to 6 tokens: 5 are cached"):
        model.rollback(6)
    assert model.length == 5


@pytest.mark.parametrize("length", [-1, 0, 9])
def test_what_has_stayed_once_stays(family: Family, length: int) -> None:
    """A sliding window has dropped what such a rollback would need: it must not go on with wrong logits."""
    model = engine(family)
    model.forward(TEXT)
    model.rollback(10)
    with pytest.raises(ContractError, match=f"cannot roll back to {length} tokens: the first 10 are settled"):
        model.rollback(length)
    assert gap(model.forward(TEXT[10:]), uncached(family, TEXT)[10:]) < TOLERANCE


def test_all_can_be_taken_back_before_anything_has_stayed(family: Family) -> None:
    model = engine(family)
    model.forward(TEXT)
    model.rollback(0)
    assert gap(model.forward(TEXT[3:]), uncached(family, TEXT[3:])) < TOLERANCE


def test_a_sliding_window_keeps_no_more_than_it_needs() -> None:
    """What is held back for a rollback has to go with every rollback, also one of nothing: memory would grow."""
    model = engine(tiny_family("gemma3"))
    model.forward(TEXT)
    assert held(model) == len(TEXT)
    model.rollback(len(TEXT))
    assert held(model) == WINDOW - 1


def held(model: TransformersModel) -> int:
    """Tokens in the first layer's cache; there is no public way to ask."""
    return int(model._cache.layers[0].keys.shape[-2])


@pytest.mark.parametrize("name", FAMILIES)
def test_two_engines_on_one_network_are_strangers(name: str) -> None:
    first, second = engine(tiny_family(name)), engine(tiny_family(name))
    first.forward(TEXT[:7])
    second.forward([1, 1, 1])
    assert gap(first.forward(TEXT[7:]), uncached(tiny_family(name), TEXT)[7:]) < TOLERANCE
