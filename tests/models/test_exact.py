"""The exact mode: in 16 bit, too, a text is the same whatever the drafter, since every pass has one shape."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch

from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.engines.fixed_shape import FixedShapeModel, require_exact
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import ContractError, UnsupportedError
from draftlab.spec import Sampling
from draftlab.testing import check_engine
from tests.models.running import GREEDY, decoder, model_drafter, run
from tests.models.tiny import CONTEXT, FAMILIES, REAL, Family, tiny_family

WIDTH = 8
PROMPTS = [[(7 * i + 3 * j) % REAL for j in range(3 + i % 9)] for i in range(6)]
TEXT = [5, 40, 2, 2, 17, 33, 8, 21, 0, 46, 11, 5, 40, 3, 29, 29]


@cache
def half(name: str) -> Any:
    """The family's network in bfloat16, where shapes matter."""
    return copy.deepcopy(tiny_family(name).network).bfloat16()


def test_it_keeps_the_engines_contract(family: Family) -> None:
    model = FixedShapeModel(family.network, family.name, WIDTH)
    check_engine(model, TEXT, 1e-4)


def test_its_logits_are_the_ordinary_engines(family: Family) -> None:
    """Dummies, the mask and the sliding window leave no trace."""
    fixed, ordinary = FixedShapeModel(family.network, "fixed", WIDTH), TransformersModel(family.network, "ordinary")
    for start in (1, 5, 12):
        fixed.reset(len(TEXT))
        ordinary.reset()
        torch.testing.assert_close(fixed.forward(TEXT[:start]), ordinary.forward(TEXT[:start]), rtol=0, atol=1e-4)
        torch.testing.assert_close(fixed.forward(TEXT[start:]), ordinary.forward(TEXT[start:]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_tokens_in_other_blocks_have_the_same_bits_in_16_bit(name: str) -> None:
    require_exact(FixedShapeModel(half(name), name, WIDTH))


@pytest.mark.parametrize("sampling", [GREEDY, Sampling(repetition_penalty=1.3)], ids=["greedy", "penalty"])
@pytest.mark.parametrize("gamma", [1, 4, 7])
@pytest.mark.parametrize("name", FAMILIES)
def test_16_bit_texts_are_plain_decodings_whatever_the_drafter(name: str, gamma: int, sampling: Sampling) -> None:
    target = FixedShapeModel(half(name), name, WIDTH)
    small = TransformersModel(tiny_family(name).drafters["narrower"], "small")
    accepted = 0
    for prompt in PROMPTS:
        plain = run(decoder(target, NoDrafter(), 0, sampling), prompt, 30)
        for drafter in (model_drafter(target, small, sampling), NgramDrafter()):
            drafted = run(decoder(target, drafter, gamma, sampling), prompt, 30)
            assert drafted.tokens == plain.tokens
            accepted += sum(outcome.num_accepted for outcome in drafted.rounds)
    assert accepted > 0


def test_dummies_may_stand_beyond_the_models_last_position() -> None:
    target = FixedShapeModel(half("gpt2"), "gpt2", WIDTH)  # its positions are a table of CONTEXT rows
    found = run(decoder(target, NgramDrafter(), 7), PROMPTS[4], 1000)
    assert (found.stop, len(PROMPTS[4]) + len(found.tokens)) == ("context", CONTEXT)


def test_only_the_logits_that_are_asked_for_are_made() -> None:
    target = FixedShapeModel(half("llama"), "llama", WIDTH)
    target.reset(len(TEXT))
    assert target.forward(TEXT, num_rows=1).shape[0] == 1
    assert target.length == len(TEXT)


@pytest.mark.parametrize("length", [-1, 6])
def test_a_rollback_to_what_was_never_cached_is_refused(length: int) -> None:
    target = FixedShapeModel(half("llama"), "llama", WIDTH)
    target.reset(20)
    target.forward(TEXT[:5])
    with pytest.raises(ContractError, match="cannot roll back"):
        target.rollback(length)


def test_more_tokens_than_there_is_room_for_are_refused() -> None:
    target = FixedShapeModel(half("llama"), "llama", WIDTH)
    target.reset(10)  # rounded up to a whole grain
    with pytest.raises(ContractError, match="do not fit"):
        for _ in range(100):
            target.forward(TEXT[:8])


class Careless(FixedShapeModel):
    """An engine that forgets its dummies, so that a pass has as many rows as tokens."""

    def _pass(self, tokens: Sequence[int], num_rows: int, num_logits: int | None = None) -> torch.Tensor:
        logits = super()._pass(tokens, len(tokens), num_logits)
        return logits + 1e-3 * len(tokens)  # what kernels of other shapes do, made certain


def test_a_model_that_cannot_keep_the_promise_is_refused_at_load() -> None:
    with pytest.raises(UnsupportedError, match="cannot keep the promise of --exact"):
        require_exact(Careless(half("llama"), "llama", WIDTH))
