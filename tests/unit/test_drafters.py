"""Prompt lookup by example, and how the model drafter is built; how it drafts is covered by the laws and the loop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from draftlab.chance import PhiloxChance
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.errors import DraftlabError
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


@pytest.mark.parametrize(("given", "asked"), [({}, "auto"), ({"compress": "int8"}, "int8")])
def test_a_models_weights_are_compressed_as_asked(given: dict[str, Compression], asked: str) -> None:
    plain = context(Sampling())
    calls = []

    def load(reference: str, compress: Compression = "none") -> LoadedModel:
        calls.append((reference, compress))
        return plain.load_model(reference)

    ModelDrafter.build(replace(plain, load_model=load), argument="toy", **given)
    assert calls == [("toy", asked)]
