"""Costs are measured by the loop that decodes, each length in turn, and what is odd in them is noise."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from draftlab.bench import priced_rounds as rounds_module
from draftlab.bench.clock import WallClock
from draftlab.bench.costs import MOST, SAMPLE, costs_of, measure_costs
from draftlab.bench.priced_rounds import FEWEST
from draftlab.cost import CostModel, Curve
from draftlab.decoding import Decoder
from draftlab.draft_length import Fixed
from draftlab.drafters.ngram import NgramDrafter
from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.events import Drafted
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.types import Draft, Rng, Round


class Silent:
    """Never has anything to offer, and must never hear of a draft."""

    def begin(self, prompt: Sequence[int]) -> None:
        self.heard = 0

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        return Draft(())

    def observe(self, outcome: Round) -> None:
        self.heard += outcome.num_drafted


def decoder(drafter: object, gamma: int, context: int | None = None) -> Decoder:
    target = ToyModel(97, scale=4.0, context_length=context)
    stop_at_once = Stopping(frozenset(range(97)))
    return Decoder(target, drafter, RejectionRule(), Warper(Sampling(), "toy"), Fixed(gamma), stop_at_once)  # type: ignore[arg-type]


def clock() -> WallClock:
    return WallClock(lambda: None)


@pytest.mark.parametrize("gamma", [0, 1, 2, 5, 16])
@pytest.mark.parametrize("make", [NgramDrafter, Silent])
def test_there_is_a_cost_for_every_length_and_more_is_never_cheaper(make: type, gamma: int) -> None:
    found = measure_costs(decoder(make(), gamma), ToyTokenizer().encode, clock())
    assert len(found) == gamma + 1
    assert list(found[1:]) == sorted(found[1:]), "plain decoding may run other kernels"
    assert found[0] > 0


def test_every_length_is_watched_often_enough_though_the_drafter_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    record = rounds_module.record_phases

    def listening(events: object, *rest: object) -> object:
        drafts: list[int] = []
        seen.append(drafts)

        def overheard() -> object:
            for event in events:  # type: ignore[attr-defined]
                if isinstance(event, Drafted):
                    drafts.append(len(event.draft.tokens))
                yield event

        return record(overheard(), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds_module, "record_phases", listening)
    silent = Silent()
    measure_costs(decoder(silent, 16), ToyTokenizer().encode, clock())
    for_nothing, measured = seen
    assert for_nothing == [0, 1, 1, 2, 4, 8, 16]
    for length in (0, 1, 2, 4, 8, 16):
        assert FEWEST <= measured.count(length) <= 2 * MOST
    assert silent.heard == 0


def test_a_short_context_is_enough() -> None:
    assert len(ToyTokenizer().encode(SAMPLE)) > 24
    assert len(measure_costs(decoder(NgramDrafter(), 4, context=24), ToyTokenizer().encode, clock())) == 5


def test_plain_decoding_keeps_its_own_cost_and_full_acceptance_is_charged() -> None:
    nothing = Curve((0,), (0.0,), 0.0)
    model = CostModel(Curve((1, 2, 3), (90.0, 60.0, 80.0), 0.0), nothing, nothing)
    assert costs_of(model, 2, 10) == (90, 60, 80)
    late = CostModel(model.target, nothing, nothing, catch_up=10.0)
    first, second = costs_of(late, 2, 10)[1:]
    assert costs_of(late, 2, 10)[0] == 90
    assert 60 < first < 70 and 80 < second < 80 + first - 60, "a longer draft is seldomer accepted in full"
