"""The path, not only the law: with coupled noise a speculative text is the plain text of its seed, token for token."""

from __future__ import annotations

import pytest

from draftlab.chance import CoupledChance, PhiloxChance
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters import DRAFTERS
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.engines.toy import ToyModel
from draftlab.events import Committed
from draftlab.rules.coupled import CoupledRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.testing import enumerate_law
from draftlab.types import Chance, Drafter, Purpose, Round, Row
from tests.laws.conftest import SameLaw
from tests.laws.toys import PROMPT, SAMPLINGS, WIDTHS, build, oracle, toy_target

SIZE = 20
SAMPLED = [name for name, sampling in SAMPLINGS.items() if sampling.temperature]


def rounds(drafter: Drafter, sampling: Sampling, gamma: int, chance: Chance, size: int, length: int) -> list[Round]:
    decoder = Decoder(ToyModel(size), drafter, CoupledRule(), Warper(sampling, "toy"), Fixed(gamma), Stopping())
    events = decoder.decode(PROMPT, max_new_tokens=length, chance=chance)
    return [event.outcome for event in events if isinstance(event, Committed)]


def text(found: list[Round]) -> tuple[int, ...]:
    return tuple(token for outcome in found for token in outcome.emitted)


@pytest.mark.parametrize("sampling", SAMPLED)
@pytest.mark.parametrize("gamma", [1, 3, 6])
def test_a_sampled_text_is_the_plain_one_of_its_seed(sampling: str, gamma: int) -> None:
    settings = SAMPLINGS[sampling]
    for seed in range(10):
        drafter = ModelDrafter(ToyModel(SIZE, 0.3), Warper(settings, "toy"))
        plain = rounds(NoDrafter(), settings, 0, CoupledChance(seed), SIZE, 25)
        drafted = rounds(drafter, settings, gamma, CoupledChance(seed), SIZE, 25)
        assert text(drafted) == text(plain)


def test_the_drafter_shares_the_noise_and_gains_by_it() -> None:
    """With noise of its own a drafter agrees with probability sum(p q); with the same noise far more often."""
    settings = Sampling(temperature=1.0)
    accepted = {CoupledChance: 0, PhiloxChance: 0}
    for kind in (CoupledChance, PhiloxChance):
        for seed in range(20):
            drafter = ModelDrafter(ToyModel(SIZE, 0.3), Warper(settings, "toy"))
            accepted[kind] += sum(o.num_accepted for o in rounds(drafter, settings, 4, kind(seed), SIZE, 25))
    assert accepted[CoupledChance] > 1.3 * accepted[PhiloxChance]


def test_different_seeds_give_different_texts() -> None:
    settings = Sampling(temperature=1.0)
    texts = {text(rounds(NoDrafter(), settings, 0, CoupledChance(seed), SIZE, 8)) for seed in range(20)}
    assert len(texts) > 15


class _ByPlace:
    """Enumerated chance in which a place of the text has one uniform number, whoever draws there in whatever round."""

    def __init__(self, inner: Chance) -> None:
        self._inner = inner

    def round(self, index: int, length: int = 0) -> _PlaceRng:
        return _PlaceRng(self._inner, length)


class _PlaceRng:
    def __init__(self, inner: Chance, length: int) -> None:
        self._inner, self._length = inner, length

    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        return self._inner.round(self._length + position).draw(row, "target", 0)

    def accept(self, probability: float, position: int) -> bool:
        raise AssertionError("a coupled round tosses no coins")


@pytest.mark.parametrize("drafter", DRAFTERS.names())
@pytest.mark.parametrize("gamma", [1, 2, 3])
@pytest.mark.parametrize("sampling", ["t1", "t.7-k2", "t1-penalty"])
def test_noise_that_is_used_again_in_later_rounds_biases_nothing(
    drafter: str, gamma: int, sampling: str, same_law: SameLaw
) -> None:
    settings = SAMPLINGS[sampling]
    subject = build(drafter, settings)
    decoder = Decoder(
        toy_target(WIDTHS["equal"]),
        subject,
        CoupledRule(),
        Warper(settings, "toy"),
        Fixed(gamma),
        Stopping(frozenset({2})),
    )

    def decode(chance: Chance) -> tuple[int, ...]:
        events = decoder.decode(PROMPT, max_new_tokens=4, chance=_ByPlace(chance))
        return tuple(t for event in events if isinstance(event, Committed) for t in event.outcome.emitted)

    same_law(enumerate_law(decode), oracle(settings, 4))
