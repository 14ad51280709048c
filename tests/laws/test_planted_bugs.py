"""The negative controls of `test_lossless`: each planted bug is found, by the same means.

Whatever stands in `PLANTED` is tested: a bug of the law by the law, a bug of cost by what is accepted and by a check of
its own in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from draftlab.chance import PhiloxChance
from draftlab.decoding import Decoder
from draftlab.distributions import Dense
from draftlab.drafters.model import ModelDrafter
from draftlab.engines.toy import ToyModel
from draftlab.errors import DraftlabError
from draftlab.events import Committed, Drafted
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.testing import law_of_decoding, total_variation
from draftlab.testing.planted import PLANTED, TokenRule
from draftlab.types import Draft, Drafter
from tests.laws.conftest import Rejected, SameLaw
from tests.laws.test_block import mean_accepted_of_a_round
from tests.laws.toys import (
    PROMPT,
    SCALE,
    build,
    decoder,
    law_of_rounds,
    law_of_texts,
    mean_accepted,
    oracle,
)

HOT = Sampling(temperature=1.0)
WARPED = Sampling(temperature=0.7)  # without truncation, which can leave a residual of one token: that hides a draw
NEVER: frozenset[int] = frozenset()  # a stop can be the one token that is rejected, and end the text before a bug shows
FOUND = 1e-3  # a planted bug moves at least this much probability; an honest law moves less than 1e-9
LAW = [name for name, bug in PLANTED.items() if bug.breaks == "law"]
COST = [name for name, bug in PLANTED.items() if bug.breaks == "cost"]
IN_THE_DRAFTER = {"raw_q", "argmax_with_soft_q", "stale_draft_cache"}


def honest(drafter: str = "model", sampling: Sampling = WARPED, gamma: int = 2) -> Decoder:
    return decoder(build(drafter, sampling), sampling, gamma, rule="block", stop=NEVER)


def distance(name: str, subject: Decoder, sampling: Sampling = WARPED) -> float:
    """How far the bug moves the law of three tokens."""
    bug = PLANTED[name]
    law = law_of_texts(law_of_rounds(bug.plant(subject), 3, bug.chance))
    return total_variation(law, oracle(sampling, 3, stop=NEVER))


@pytest.mark.parametrize("name", LAW)
def test_a_bug_of_the_law_moves_the_law(name: str, rejected: Rejected) -> None:
    assert distance(name, honest()) > FOUND
    rejected(name)


@pytest.mark.parametrize("name", COST)
def test_a_bug_of_cost_keeps_the_law_and_accepts_less(name: str, same_law: SameLaw, rejected: Rejected) -> None:
    # Five tokens: three of a full acceptance, and two that a stale cache can guess badly.
    bug = PLANTED[name]
    law = law_of_rounds(bug.plant(honest()), 5, bug.chance)
    same_law(law_of_texts(law), oracle(WARPED, 5, stop=NEVER))
    assert mean_accepted(law) < mean_accepted(law_of_rounds(honest(), 5)) - FOUND
    CHECKS[name]()
    rejected(name)


def misses_the_papers_toy_case() -> None:
    """Sun et al. 2025, section 3: the token rule accepts 10/9 there, block verification 11/9."""
    p, q = [[1 / 3, 2 / 3]] * 3, [[2 / 3, 1 / 3]] * 2
    subject = PLANTED["token_rule_as_block"].plant(honest())
    assert mean_accepted_of_a_round(honest().rule, p, q) == pytest.approx(11 / 9, abs=1e-12)
    assert mean_accepted_of_a_round(subject.rule, p, q) == pytest.approx(10 / 9, abs=1e-12)


def drafts_from_another_text() -> None:
    """q is held against that of a fresh pass over the whole text."""
    assert distance_of_q(honest()) < 1e-12
    assert distance_of_q(PLANTED["stale_draft_cache"].plant(honest())) > 0.1


CHECKS: dict[str, Callable[[], None]] = {
    "token_rule_as_block": misses_the_papers_toy_case,
    "stale_draft_cache": drafts_from_another_text,
}


def test_every_bug_of_cost_has_a_check_of_its_own() -> None:
    assert set(CHECKS) == set(COST)


def distance_of_q(subject: Decoder) -> float:
    """The largest total variation between a reported q and the one that a fresh model gives, in ten texts."""
    largest = 0.0
    for seed in range(10):
        text = list(PROMPT)
        for event in subject.decode(PROMPT, max_new_tokens=12, chance=PhiloxChance(seed)):
            if isinstance(event, Drafted):
                largest = max([largest, *distances_of_rows(text, event.draft)])
            if isinstance(event, Committed):
                text += event.outcome.emitted
    return largest


def distances_of_rows(text: list[int], draft: Draft) -> list[float]:
    warp = Warper(WARPED, "fresh")
    found = []
    for i in range(len(draft.tokens)):
        before = [*text, *draft.tokens[:i]]
        row = warp(ToyModel(3, 0.5, SCALE).forward(before, num_rows=1), before, ())[0]
        assert draft.q is not None
        found.append(total_variation(dict(draft.q[i].support()), dict(row.support())))
    return found


@pytest.mark.parametrize("drafter", ["model", "ngram"])
def test_without_a_bug_the_same_rule_passes(drafter: str, same_law: SameLaw) -> None:
    """So it is the bug that is found, and not the frame in which it is planted."""
    subject = replace(honest(drafter), rule=TokenRule())
    same_law(law_of_decoding(subject, PROMPT, 3), oracle(WARPED, 3, stop=NEVER))


@pytest.mark.parametrize("name", PLANTED)
def test_the_decoder_in_which_it_is_planted_stays_honest(name: str, same_law: SameLaw) -> None:
    subject = honest()
    before = vars(subject).copy()
    planted = PLANTED[name].plant(subject)
    law_of_rounds(planted, 3, PLANTED[name].chance)
    assert vars(subject) == before
    same_law(law_of_decoding(subject, PROMPT, 3), oracle(WARPED, 3, stop=NEVER))


@pytest.mark.parametrize("name", PLANTED)
def test_what_needs_q_shows_with_a_model_drafter_only(name: str) -> None:
    subject = honest("ngram")
    if name in IN_THE_DRAFTER:
        with pytest.raises(DraftlabError, match="model drafter"):
            PLANTED[name].plant(subject)
        assert PLANTED[name].needs_q
    else:
        shows = PLANTED[name].breaks == "law" and distance(name, subject) > FOUND
        assert shows != PLANTED[name].needs_q
        assert shows or distance(name, subject) < 1e-9


@pytest.mark.parametrize("name", ["raw_q", "residual_warped_again"])
def test_what_warping_breaks_is_whole_where_warping_does_nothing(name: str) -> None:
    """Both say so in their docstrings: whoever looks for them has to sample with another temperature than 1."""
    assert distance(name, honest(sampling=HOT), HOT) < 1e-9


def test_a_foreign_warp_is_refused() -> None:
    def uniform(logits: torch.Tensor, prefix: object, tail: object) -> Dense:
        return Dense(torch.softmax(0.0 * logits, dim=-1).unbind())

    foreign: Drafter = ModelDrafter(ToyModel(3, 0.5, SCALE), uniform)
    with pytest.raises(DraftlabError, match="Warper"):
        PLANTED["raw_q"].plant(replace(honest(), drafter=foreign))
    with pytest.raises(DraftlabError, match="Warper"):
        PLANTED["residual_warped_again"].plant(replace(honest(), warp=uniform))


class SlidingToy(ToyModel):
    """Keeps to the letter of the contract: nothing is taken back beyond the last rollback or reset."""

    floor = 0

    def reset(self, capacity: int | None = None) -> None:
        super().reset(capacity)
        self.floor = 0

    def rollback(self, length: int) -> None:
        assert self.floor <= length <= self.length
        super().rollback(length)
        self.floor = length


@pytest.mark.parametrize("name", sorted(IN_THE_DRAFTER))
def test_bugs_of_the_drafter_can_be_planted_on_any_model(name: str) -> None:
    sliding = SlidingToy(3, 0.5, SCALE, context_length=12)
    subject = replace(honest(gamma=3), drafter=ModelDrafter(sliding, Warper(WARPED, "sliding")))
    for seed in range(20):
        for event in PLANTED[name].plant(subject).decode(PROMPT, max_new_tokens=20, chance=PhiloxChance(seed)):
            if isinstance(event, Drafted) and event.draft.q is not None:
                assert len(event.draft.q) == len(event.draft.tokens)


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_said_of_it_fits_into_a_table(name: str) -> None:
    bug = PLANTED[name]
    assert name == name.lower()
    assert 0 < len(bug.title) <= 70
    assert "\n" not in bug.title + bug.origin
    assert bug.origin
