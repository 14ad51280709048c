"""Where tokens are drawn, the expected rounds along the target's texts are exactly those of real decodes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.stopping_early import NEVER, StopEarly
from draftlab.engines.toy import ToyModel
from draftlab.tune.path import follow, odds_of
from draftlab.tune.policies import Policy
from draftlab.tune.replay import Visit, replay, replay_own
from draftlab.tune.texts import Text
from draftlab.types import Round
from tests.laws.toys import PROMPT, SAMPLINGS, SCALE, RememberingWarper, build, decoder, law_of_rounds, oracle

NUM_TOKENS = 4
NEVER_STOPS: frozenset[int] = frozenset()


def text_of(tokens: tuple[int, ...]) -> Text:
    return Text("p", tuple(PROMPT), tokens, (), room=NUM_TOKENS, seed=0)


def really(law: Mapping[tuple[Round, ...], float]) -> tuple[float, float]:
    """Expected rounds and accepted tokens."""
    return (
        sum(mass * len(rounds) for rounds, mass in law.items()),
        sum(mass * sum(r.num_accepted for r in rounds) for rounds, mass in law.items()),
    )


def expected(found: list[tuple[float, list[Visit]]]) -> tuple[float, float]:
    return (
        sum(mass * visit.weight for mass, visits in found for visit in visits),
        sum(mass * visit.weight * visit.accepted for mass, visits in found for visit in visits),
    )


@pytest.mark.parametrize("stop_early", [NEVER, StopEarly(product=0.2), StopEarly(confidence=0.4)], ids=str)
@pytest.mark.parametrize("gamma", [1, 2, 3])
@pytest.mark.parametrize("sampling", ["greedy", "t1", "t.7-k2", "t1-penalty"])
def test_of_a_model_drafter(sampling: str, gamma: int, stop_early: StopEarly) -> None:
    settings = SAMPLINGS[sampling]
    drafter = build("model", settings)
    assert isinstance(drafter, ModelDrafter)
    drafter.stop_early = stop_early
    law = law_of_rounds(decoder(drafter, settings, gamma, stop=NEVER_STOPS), NUM_TOKENS)
    target, warp = ToyModel(3, scale=SCALE), RememberingWarper(settings, "toy")
    found = []
    for tokens, mass in oracle(settings, NUM_TOKENS, stop=NEVER_STOPS).items():
        text = text_of(tokens)
        path = follow(drafter, text, odds_of(target, warp, text), coupled=False)
        found.append((mass, replay(path, text, gamma, Policy("as it is", stop_early))))
    assert expected(found) == pytest.approx(really(law), rel=1e-9)


@pytest.mark.parametrize("gamma", [1, 2, 3])
@pytest.mark.parametrize("sampling", ["greedy", "t1", "t.7-k2"])
def test_of_prompt_lookup(sampling: str, gamma: int) -> None:
    settings = SAMPLINGS[sampling]
    law = law_of_rounds(decoder(build("ngram", settings), settings, gamma, stop=NEVER_STOPS), NUM_TOKENS)
    found = [
        (mass, replay_own(build("ngram", settings), text_of(tokens), gamma, is_drawn=True))
        for tokens, mass in oracle(settings, NUM_TOKENS, stop=NEVER_STOPS).items()
    ]
    assert expected(found) == pytest.approx(really(law), rel=1e-9)
