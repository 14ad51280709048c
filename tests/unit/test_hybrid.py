"""Prompt lookup before another drafter: who drafts which round, and that the other one does not lose the thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.hybrid import HybridDrafter
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.reference import build_drafter, parse_drafter
from draftlab.engines.toy import ToyModel
from draftlab.errors import DraftlabError
from draftlab.events import Committed
from draftlab.features import ReadsFeatures
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Compression, Draft, Drafter, LoadedModel, Rng, Round
from tests.laws.toys import PROMPT, Widths, context, toy_target

RNG = PhiloxChance(0).round(0)
WIDE = Widths(6, 6)
SAMPLED = Sampling(temperature=1.0)


class Scripted:
    """Drafts 8s, and notes what it is asked and told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def begin(self, prompt: Sequence[int]) -> None:
        self.heard.append(("begin", list(prompt)))

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        self.heard.append(("propose", len(tokens), limit))
        return Draft([8] * limit)

    def observe(self, outcome: Round) -> None:
        self.heard.append(outcome)


def test_each_round_is_drafted_by_one_of_the_two_and_the_other_hears_that_it_drafted_nothing() -> None:
    other = Scripted()
    hybrid = HybridDrafter(NgramDrafter(max_ngram=3, min_ngram=2), other)
    text = [1, 2, 3, 1]
    hybrid.begin(text)
    assert hybrid.propose(text, 2, RNG).tokens == [8, 8]  # one token has occurred before, and two are asked for
    hybrid.observe(Round(2, 0, (2,)))
    assert hybrid.propose([*text, 2], 2, RNG).tokens == [3, 1]
    hybrid.observe(Round(2, 1, (3, 5)))
    assert hybrid.propose([*text, 2, 3, 5], 0, RNG).tokens == []
    hybrid.observe(Round(0, 0, (9,)))
    asked = [("propose", 4, 2), Round(2, 0, (2,)), ("propose", 5, 0), Round(0, 0, (3, 5)), ("propose", 7, 0)]
    assert other.heard == [("begin", text), *asked, Round(0, 0, (9,))]


class Noted:
    """A drafter, with every draft of its own and the text that it followed."""

    def __init__(self, inner: Drafter) -> None:
        self.inner = inner
        self.drafts: dict[tuple[int, ...], Draft] = {}
        self.num_idle = 0

    def begin(self, prompt: Sequence[int]) -> None:
        self.inner.begin(prompt)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        draft = self.inner.propose(tokens, limit, rng)
        self.num_idle += not limit
        if draft.tokens:
            self.drafts[tuple(tokens)] = draft
        return draft

    def observe(self, outcome: Round) -> None:
        self.inner.observe(outcome)


def decode(drafter: Drafter, sampling: Sampling, num_tokens: int = 60, seed: int = 0) -> list[int]:
    warp = Warper(sampling, "toy")
    decoder = Decoder(toy_target(WIDE), drafter, RejectionRule(), warp, Fixed(3), Stopping())
    events = decoder.decode(PROMPT, max_new_tokens=num_tokens, chance=PhiloxChance(seed))
    return [token for event in events if isinstance(event, Committed) for token in event.outcome.emitted]


def behind_lookup(reference: str, sampling: Sampling) -> tuple[HybridDrafter, Noted]:
    hybrid = build_drafter(parse_drafter(f"lookup+{reference},lookup_min_ngram=2"), context(sampling, WIDE))
    assert isinstance(hybrid, HybridDrafter)
    hybrid.other = noted = Noted(hybrid.other)
    return hybrid, noted


def first_row(draft: Draft) -> torch.Tensor:
    assert draft.logits is not None
    return draft.logits[0]


@pytest.mark.parametrize("sampling", [Sampling(), SAMPLED], ids=["greedy", "sampled"])
def test_a_model_that_was_not_asked_for_some_rounds_still_reads_the_whole_text(sampling: Sampling) -> None:
    hybrid, other = behind_lookup("model:toy", sampling)
    decode(hybrid, sampling)
    assert other.num_idle > 3 and len(other.drafts) > 3
    for text, draft in other.drafts.items():
        fresh = ModelDrafter(ToyModel(6, 0.5, 1.0), Warper(sampling, "toy"))
        fresh.begin(PROMPT)
        torch.testing.assert_close(first_row(draft), first_row(fresh.propose(list(text), 1, RNG)))


@pytest.mark.parametrize("most_waiting", [2, 256])
def test_a_head_that_was_not_asked_for_some_rounds_has_read_the_same(
    most_waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone it drafts after every round, and greedy texts are the same: where both drafted, they drafted alike."""
    monkeypatch.setattr("draftlab.drafters.eagle.drafter._MOST_WAITING", most_waiting)
    hybrid, behind = behind_lookup("eagle:toy", Sampling())
    alone = Noted(build_drafter(parse_drafter("eagle:toy"), context(Sampling(), WIDE)))
    assert decode(hybrid, Sampling()) == decode(alone, Sampling())
    both = behind.drafts.keys() & alone.drafts.keys()
    assert behind.num_idle > 3 and len(both) > 3
    for text in both:
        torch.testing.assert_close(first_row(behind.drafts[text]), first_row(alone.drafts[text]))


def test_whoever_wraps_the_target_sees_that_its_hidden_states_are_read() -> None:
    for reference, reads in (("eagle:toy", True), ("model:toy", False), ("ngram", False)):
        drafter = build_drafter(parse_drafter(f"lookup+{reference}"), context(Sampling()))
        assert isinstance(drafter, ReadsFeatures) is reads


def test_options_reach_the_one_they_are_meant_for() -> None:
    text = "lookup+ngram,min_ngram=1,max_ngram=2,lookup_min_ngram=4,lookup_max_ngram=7"
    drafter = build_drafter(parse_drafter(text), context(Sampling()))
    assert isinstance(drafter, HybridDrafter) and isinstance(drafter.other, NgramDrafter)
    assert (drafter.lookup.min_ngram, drafter.lookup.max_ngram) == (4, 7)
    assert (drafter.other.min_ngram, drafter.other.max_ngram) == (1, 2)


def test_senseless_lengths_are_refused_before_anything_is_loaded() -> None:
    def load(reference: str, compress: Compression = "none") -> LoadedModel:
        raise AssertionError("loaded")

    with pytest.raises(DraftlabError, match="cannot match 6 to 5 tokens"):
        HybridDrafter.build(replace(context(Sampling()), load_model=load), argument="model:toy", lookup_min_ngram=6)
