"""Every lossless rule x drafter x sampling x gamma x stop: the law of whole texts is the target's, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from draftlab.adaptive import Adaptive
from draftlab.drafters import DRAFTERS
from draftlab.rules import RULES
from draftlab.testing import law_of_decoding
from tests.laws.conftest import SameLaw
from tests.laws.toys import (
    BEHIND,
    EARLY,
    OPTIONS,
    PROMPT,
    SAMPLINGS,
    STOP,
    TWO,
    WIDTHS,
    Widths,
    build,
    decoder,
    law_of_rounds,
    oracle,
)

LOSSLESS = [name for name in RULES.names() if RULES.load(name).lossless]
NEVER: frozenset[int] = frozenset()


@dataclass(frozen=True)
class World:
    """How many tokens there are, how long the texts, and what ends one before."""

    num_tokens: int
    stop: frozenset[int]
    widths: Widths = WIDTHS["equal"]


def world(gamma: int, *, stops: bool) -> World:
    """The largest one whose branches are walked in seconds and whose texts have room for gamma + 1 tokens.

    The loop drafts one token less than there is room for, so shorter texts would be those of a smaller gamma.
    """
    if gamma > 3:
        return World(gamma + 1, frozenset({1}) if stops else NEVER, TWO)
    if stops:
        return World(4, STOP)
    return World(3, NEVER) if gamma < 3 else World(4, NEVER, TWO)  # without a stop the tree of texts is widest


@pytest.mark.parametrize("stops", [True, False], ids=["stop", "no-stop"])
@pytest.mark.parametrize("gamma", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("drafter", DRAFTERS.names())
@pytest.mark.parametrize("rule", LOSSLESS)
def test_the_law_of_the_text_is_the_targets(
    rule: str, drafter: str, sampling: str, gamma: int, stops: bool, same_law: SameLaw
) -> None:
    settings, here = SAMPLINGS[sampling], world(gamma, stops=stops)
    proposer = build(drafter, settings, here.widths)
    subject = decoder(proposer, settings, gamma, rule=rule, stop=here.stop, widths=here.widths)
    law = law_of_decoding(subject, PROMPT, here.num_tokens)
    same_law(law, oracle(settings, here.num_tokens, stop=here.stop, widths=here.widths))


@pytest.mark.parametrize("stops", [True, False], ids=["stop", "no-stop"])
@pytest.mark.parametrize("gamma", [1, 2, 3, 4])
@pytest.mark.parametrize("drafter", ["ngram", "model", "lookup"])
def test_as_much_is_drafted_there_as_gamma_says(drafter: str, gamma: int, stops: bool) -> None:
    settings, here = SAMPLINGS["t1"], world(gamma, stops=stops)
    proposer = build(drafter, settings, here.widths)
    subject = decoder(proposer, settings, gamma, rule="block", stop=here.stop, widths=here.widths)
    law = law_of_rounds(subject, here.num_tokens)
    assert max(outcome.num_drafted for rounds in law for outcome in rounds) == gamma


@pytest.mark.parametrize("stops", [True, False], ids=["stop", "no-stop"])
@pytest.mark.parametrize("gamma", [2, 3])
@pytest.mark.parametrize("sampling", ["greedy", "t1", "t.7-k2", "t1-penalty"])
@pytest.mark.parametrize("drafter", [*OPTIONS, *(name for name in BEHIND if name != "lookup")])
@pytest.mark.parametrize("rule", LOSSLESS)
def test_so_it_is_with_the_options_of_a_model_or_where_two_drafters_take_turns(
    rule: str, drafter: str, sampling: str, gamma: int, stops: bool, same_law: SameLaw
) -> None:
    settings, here = SAMPLINGS[sampling], world(gamma, stops=stops)
    proposer = build(drafter, settings, here.widths)
    subject = decoder(proposer, settings, gamma, rule=rule, stop=here.stop, widths=here.widths)
    law = law_of_decoding(subject, PROMPT, here.num_tokens)
    same_law(law, oracle(settings, here.num_tokens, stop=here.stop, widths=here.widths))


@pytest.mark.parametrize("drafter", EARLY)
def test_drafts_that_end_early_are_among_them_and_whole_ones_too(drafter: str) -> None:
    settings, here = SAMPLINGS["t1"], world(3, stops=True)
    subject = decoder(build(drafter, settings, here.widths), settings, 3, stop=here.stop, widths=here.widths)
    law = law_of_rounds(subject, here.num_tokens)
    first = {outcomes[0].num_drafted for outcomes in law}
    assert 3 in first and len(first) > 1


@pytest.mark.parametrize("rule", ["block", "rejection"])
def test_two_rounds_after_a_rejection_at_depth_are_among_them(rule: str) -> None:
    """What a rejection in the middle of a draft leaves behind has to serve for more than the next round."""
    settings, here = SAMPLINGS["t1"], world(4, stops=False)
    proposer = build("model", settings, here.widths)
    subject = decoder(proposer, settings, 4, rule=rule, stop=here.stop, widths=here.widths)
    law = law_of_rounds(subject, here.num_tokens)
    deep = [r for r in law if any(0 < o.num_accepted < o.num_drafted for o in r[:-2]) and r[-2].num_drafted]
    assert sum(law[rounds] for rounds in deep) > 0.01


@pytest.mark.parametrize("sampling", ["t1", "t1-penalty"])
def test_so_it_is_in_longer_texts(sampling: str, same_law: SameLaw) -> None:
    """Two of four drafted tokens accepted leave three places: two rounds after it that draft as well."""
    settings = SAMPLINGS[sampling]
    subject = decoder(build("model", settings, TWO), settings, 4, rule="block", stop=NEVER, widths=TWO)
    same_law(law_of_decoding(subject, PROMPT, 6), oracle(settings, 6, stop=NEVER, widths=TWO))


FOLLOWS = [1.0, 1.45, 1.9, 2.3]
"""Costs by which the length changes within a short text: 1 at first, 2 after an acceptance, 0 after a rejection."""


@pytest.mark.parametrize("sampling", ["greedy", "t1", "t.7-k2", "t1-penalty"])
@pytest.mark.parametrize("drafter", ["ngram", "model"])
@pytest.mark.parametrize("rule", LOSSLESS)
def test_so_it_is_where_the_draft_length_follows_what_was_accepted(
    rule: str, drafter: str, sampling: str, same_law: SameLaw
) -> None:
    settings = SAMPLINGS[sampling]
    subject = decoder(build(drafter, settings, TWO), settings, Adaptive(FOLLOWS), rule=rule, stop=NEVER, widths=TWO)
    same_law(law_of_decoding(subject, PROMPT, 6), oracle(settings, 6, stop=NEVER, widths=TWO))


def test_the_draft_length_changes_there() -> None:
    settings = SAMPLINGS["t1"]
    subject = decoder(build("model", settings, TWO), settings, Adaptive(FOLLOWS), stop=NEVER, widths=TWO)
    law = law_of_rounds(subject, 6)
    for later in (0, 2):  # not for want of room: four places are left
        assert sum(mass for rounds, mass in law.items() if [r.num_drafted for r in rounds[:2]] == [1, later]) > 0.1


@pytest.mark.parametrize("widths", ["target-padded", "drafter-padded"])
@pytest.mark.parametrize("gamma", [1, 2])
@pytest.mark.parametrize("sampling", ["greedy", "t1", "t.7-k2", "t1-penalty"])
@pytest.mark.parametrize("rule", LOSSLESS)
def test_so_it_is_where_the_vocabularies_are_padded_differently(
    rule: str, sampling: str, gamma: int, widths: str, same_law: SameLaw
) -> None:
    settings, sizes = SAMPLINGS[sampling], WIDTHS[widths]
    subject = decoder(build("model", settings, sizes), settings, gamma, rule=rule, widths=sizes)
    same_law(law_of_decoding(subject, PROMPT, 3), oracle(settings, 3, widths=sizes))
