"""Prompt lookup by example, and how the model drafter is built; how it drafts is covered by the laws and the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from draftlab.chance import PhiloxChance
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.stopping_early import StopEarly, probability_of
from draftlab.engines.toy import ToyModel
from draftlab.errors import DraftlabError
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.types import Compression, LoadedModel
from tests.laws.toys import context

RNG = PhiloxChance(0).round(0)


def draft(tokens: list[int], limit: int = 3, max_ngram: int = 3, min_ngram: int = 1) -> list[int]:
    drafter = NgramDrafter(max_ngram, min_ngram)
    drafter.begin(tokens)
    return list(drafter.propose(tokens, limit, RNG).tokens)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([1, 2, 3, 4, 5, 1, 2], [3, 4, 5]),  # what followed before follows again
        ([7, 1, 8, 7, 1, 9, 5, 7, 1], [9, 5, 7]),  # the latest match, not the first
        ([1, 2, 3, 9, 2, 4, 6, 1, 2], [3, 9, 2]),  # a longer match goes before a later one
        ([1, 2, 3], []),  # nothing repeats
        ([5], []),
        ([5, 5], [5, 5, 5]),
        ([1, 2, 1, 2], [1, 2, 1]),  # runs on into the draft itself
    ],
)
def test_drafts(tokens: list[int], expected: list[int]) -> None:
    assert draft(tokens) == expected


def test_limits() -> None:
    assert draft([1, 2, 3, 1], limit=0) == []
    assert draft([1, 2, 3, 1], limit=2) == [2, 3]


def test_a_shortest_length_can_be_asked_for() -> None:
    assert draft([1, 2, 3, 1], min_ngram=2) == []


def test_the_index_grows_with_the_text_and_ends_with_it() -> None:
    drafter = NgramDrafter()
    drafter.begin([1, 2, 3])
    assert not drafter.propose([1, 2, 3], 3, RNG).tokens
    assert drafter.propose([1, 2, 3, 9, 2], 3, RNG).tokens == [3, 9, 2]
    drafter.begin([4, 2])
    assert not drafter.propose([4, 2], 3, RNG).tokens


@pytest.mark.parametrize(("low", "high"), [(0, 3), (4, 3), (-1, 2)])
def test_senseless_lengths_are_refused(low: int, high: int) -> None:
    with pytest.raises(DraftlabError, match="cannot match"):
        NgramDrafter.build(context(Sampling()), max_ngram=high, min_ngram=low)


@pytest.mark.parametrize(
    ("given", "asked"),
    [({}, ("auto", 0)), ({"compress": "int4"}, ("int4", 0)), ({"compress": "int8", "head": 2}, ("int8", 2))],
)
def test_a_model_is_loaded_in_the_form_asked_for(given: dict[str, Any], asked: tuple[Compression, int]) -> None:
    plain = context(Sampling())
    calls = []

    def load(reference: str, compress: Compression = "none", head: int = 0) -> LoadedModel:
        calls.append((reference, compress, head))
        return plain.load_model(reference)

    ModelDrafter.build(replace(plain, load_model=load), argument="toy", **given)
    assert calls == [("toy", *asked)]


def test_a_head_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(DraftlabError, match="head cannot be -1"):
        ModelDrafter.build(context(Sampling()), argument="toy", head=-1)


class Sure(ToyModel):
    """Gives its likeliest token these probabilities one after the other, wherever it is asked."""

    def __init__(self, probabilities: list[float]) -> None:
        super().__init__(4)
        self.probabilities = probabilities
        self.asked = 0

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        length = super().forward(tokens, num_rows).shape[0]
        p = self.probabilities[self.asked]
        self.asked += length
        rest = (1 - p) / 3
        return torch.tensor([[rest, p, rest, rest]]).log().repeat(length, 1)


@pytest.mark.parametrize(
    ("stop_early", "expected"),
    [
        (StopEarly(), 5),
        (StopEarly(confidence=0.5), 3),  # the token of 0.4 is the last, and is kept
        (StopEarly(product=0.5), 3),  # 0.9, 0.72, 0.288
        (StopEarly(product=0.8), 2),
        (StopEarly(product=0.2), 4),  # 0.9, 0.72, 0.288, 0.144
        (StopEarly(confidence=0.95), 1),  # never fewer than one
        (StopEarly(product=0.01, confidence=0.3), 5),
    ],
)
def test_a_draft_ends_with_the_token_that_the_drafter_is_not_sure_of(stop_early: StopEarly, expected: int) -> None:
    model = Sure([0.9, 0.8, 0.4, 0.5, 0.9])
    drafter = ModelDrafter(model, Warper(Sampling(), "sure"), stop_early)
    draft = drafter.propose([0], 5, RNG)
    assert list(draft.tokens) == [1] * expected
    assert model.asked == expected, "no pass is run for a token that is not drafted"


@pytest.mark.parametrize("options", [{"stop_product": 1.5}, {"stop_confidence": -0.1}])
def test_a_threshold_is_a_probability(options: dict[str, float]) -> None:
    with pytest.raises(DraftlabError, match="cannot be"):
        ModelDrafter.build(context(Sampling()), argument="toy", **options)


def test_the_probability_of_a_token_is_that_before_warping() -> None:
    logits = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    assert probability_of(1, logits) == pytest.approx(float(logits.softmax(0)[1]), rel=1e-12)
    assert probability_of(1, logits.bfloat16()) == pytest.approx(float(logits.softmax(0)[1]), rel=1e-2)
