"""The negative controls of `test_lossless`: each planted bug is found, by the same means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from draftlab.engines.toy import ToyModel
from draftlab.events import Committed
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.testing import EnumeratedChance, check_rule, enumerate_law, law_of_decoding, total_variation
from draftlab.types import VerificationRule
from tests.laws.planted import (
    ArgmaxWithSoftQ,
    DraftNoiseForCorrection,
    OneCoin,
    RawQ,
    ResidualFromP,
    SameChanceEveryRound,
    TokenRule,
)
from tests.laws.toys import PROMPT, SCALE, build, decoder, oracle

HOT = Sampling(temperature=1.0)
WARPED = Sampling(temperature=0.7, top_k=2)
NEVER: frozenset[int] = frozenset()
FOUND = 1e-3  # a planted bug moves at least this much probability; an honest law moves less than 1e-9


def test_q_before_warping_is_found() -> None:
    drafter = RawQ(ToyModel(3, 0.5, SCALE), Warper(WARPED, "drafter"), Warper(HOT, "drafter"))
    law = law_of_decoding(decoder(drafter, WARPED, 2), PROMPT, 3)
    assert total_variation(law, oracle(WARPED, 3)) > FOUND


def test_argmax_tokens_with_soft_q_are_found() -> None:
    drafter = ArgmaxWithSoftQ(ToyModel(3, 0.5, SCALE), Warper(HOT, "drafter"))
    law = law_of_decoding(decoder(drafter, HOT, 2), PROMPT, 3)
    assert total_variation(law, oracle(HOT, 3)) > FOUND


@pytest.mark.parametrize("rule", [ResidualFromP(), OneCoin(), DraftNoiseForCorrection()])
def test_wrong_rules_are_found_in_whole_texts(rule: VerificationRule) -> None:
    # Without a stop: here it is the one token that is rejected, and would end the text before the bug shows.
    subject = replace(decoder(build("model", HOT), HOT, 2, stop=NEVER), rule=rule)
    assert total_variation(law_of_decoding(subject, PROMPT, 3), oracle(HOT, 3, stop=NEVER)) > FOUND


def test_without_a_bug_the_same_rule_passes() -> None:
    """So it is the bug that is found, and not the frame in which it is planted."""
    check_rule(TokenRule())
    subject = replace(decoder(build("model", HOT), HOT, 2, stop=NEVER), rule=TokenRule())
    assert total_variation(law_of_decoding(subject, PROMPT, 3), oracle(HOT, 3, stop=NEVER)) < 1e-9


@pytest.mark.parametrize("rule", [ResidualFromP(), OneCoin(), DraftNoiseForCorrection()])
def test_wrong_rules_fail_the_conformance_kit(rule: VerificationRule) -> None:
    with pytest.raises(AssertionError, match="off"):
        check_rule(rule)


def test_a_draw_used_again_in_a_later_round_is_found() -> None:
    subject = decoder(build("model", HOT), HOT, 1)

    def decode(chance: EnumeratedChance) -> tuple[int, ...]:
        events = subject.decode(PROMPT, max_new_tokens=3, chance=SameChanceEveryRound(chance))
        return tuple(t for event in events if isinstance(event, Committed) for t in event.outcome.emitted)

    assert total_variation(enumerate_law(decode), oracle(HOT, 3)) > FOUND
