"""Ranking by known costs: what is recommended, what is not, and from which acceptance rate on a draft pays."""

from __future__ import annotations

import pytest

from draftlab.bench.priced_rounds import smooth
from draftlab.cost import CostModel, Curve
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.stopping_early import StopEarly
from draftlab.records import Phases, Rounds
from draftlab.stats import MIN_PROMPTS, win_probability
from draftlab.tune.candidates import Replays
from draftlab.tune.costs import Price, unsteadiness
from draftlab.tune.oracle import least_ns, own_places, places_of
from draftlab.tune.path import Path
from draftlab.tune.policies import ALL, FIXED, Policy, Subject
from draftlab.tune.ranking import Candidate, best_of_each, break_even, choose, runner_up, speedup
from draftlab.tune.replay import Replayed, Visit, replay
from draftlab.tune.texts import Text

NUM = 8
PLAIN = [100.0] * NUM


def candidate(gamma: int, ns: list[float], *, policy: str = "fixed", base: str = "ngram") -> Candidate:
    ones = (1.0,) * len(ns)
    return Candidate(base, policy, gamma, tuple(ns), ones, ones, ones, ones)


def test_a_predicted_speedup_is_a_ratio_of_sums() -> None:
    found = speedup(PLAIN, candidate(3, [40.0, 60.0] * (NUM // 2)))
    assert found.value == pytest.approx(2.0)
    assert found.low is not None and found.low < 2.0 < (found.high or 0.0)


def test_the_fastest_is_recommended() -> None:
    fast, slow = candidate(3, [50.0] * NUM), candidate(1, [70.0] * NUM)
    assert choose(PLAIN, [slow, fast]) == fast
    assert runner_up(PLAIN, fast, [slow, fast]) == slow


def test_nothing_is_where_no_whole_interval_lies_above_one() -> None:
    doubtful = candidate(3, [60.0, 130.0] * (NUM // 2))
    found = speedup(PLAIN, doubtful)
    assert found.value is not None and found.value > 1.0
    assert choose(PLAIN, [doubtful, candidate(1, [101.0] * NUM)]) is None


def test_what_pays_is_recommended_though_something_doubtful_seems_faster() -> None:
    doubtful = candidate(3, [40.0, 130.0] * (NUM // 2))
    sure = candidate(2, [89.0] * NUM, base="model:x")
    assert doubtful.total_ns < sure.total_ns
    assert choose(PLAIN, [doubtful, sure]) == sure


def test_with_few_prompts_the_figure_itself_decides() -> None:
    few = MIN_PROMPTS - 1
    assert choose([100.0] * few, [candidate(2, [90.0] * few)]) is not None
    assert choose([100.0] * few, [candidate(2, [101.0] * few)]) is None


def test_the_simplest_of_those_that_are_as_good() -> None:
    best = candidate(8, [50.0, 52.0] * (NUM // 2), policy="stop_product=0.2", base="model:x")
    longer, shorter = (candidate(g, [51.0, 51.2] * (NUM // 2), base="model:x") for g in (6, 4))
    assert choose(PLAIN, [best, longer, shorter]) == shorter
    assert runner_up(PLAIN, shorter, [best, longer, shorter]) == best, (
        "of another kind, though no longer length is worse"
    )


def test_no_runner_up_is_slower_than_plain_decoding() -> None:
    chosen, longer = candidate(3, [50.0] * NUM), candidate(4, [60.0] * NUM)
    slow = candidate(2, [110.0] * NUM, base="model:x")
    assert runner_up(PLAIN, chosen, [slow, longer, chosen]) == longer
    assert runner_up(PLAIN, chosen, [slow, chosen]) is None


def test_what_surely_is_faster_is_not_given_away() -> None:
    best, simpler = candidate(4, [50.0] * NUM), candidate(1, [50.5] * NUM)
    assert choose(PLAIN, [best, simpler]) == best, "a percent, and certain"
    noisy = candidate(1, [40.0, 66.0] * (NUM // 2))
    assert choose(PLAIN, [best, noisy]) == best, "uncertain, and too much"


def test_the_best_of_each_kind() -> None:
    found = best_of_each(
        [
            candidate(2, [60.0] * NUM),
            candidate(3, [50.0] * NUM),
            candidate(3, [40.0] * NUM, policy="stop_product=0.1"),
            candidate(3, [45.0] * NUM, policy="stop_product=0.2"),
        ]
    )
    assert [c.total_ns / NUM for c in found] == [40.0, 50.0]


def test_win_probability() -> None:
    one, other = [1.0, 3.0] * (NUM // 2), [2.0] * NUM
    found = win_probability(one, other)
    assert found is not None and 0.3 < found < 0.7
    assert found == pytest.approx(1.0 - (win_probability(other, one) or 0.0))
    assert win_probability([1.0] * NUM, other) == 1.0
    assert win_probability(other, other) == 0.5
    assert win_probability([1.0] * (MIN_PROMPTS - 1), [2.0] * (MIN_PROMPTS - 1)) is None


@pytest.mark.parametrize(("gamma", "cost"), [(1, 1.5), (4, 2.0), (8, 3.3), (16, 1.01)])
def test_break_even_is_where_the_expected_block_is_worth_its_cost(gamma: int, cost: float) -> None:
    alpha = break_even(gamma, cost)
    assert alpha is not None
    assert (1 - alpha ** (gamma + 1)) / (1 - alpha) == pytest.approx(cost)


def test_break_even_at_the_ends() -> None:
    assert break_even(4, 5.2) is None
    assert break_even(4, 0.9) == 0.0


def test_what_seems_cheaper_with_more_to_do_is_noise() -> None:
    curve = Curve((1, 2, 3, 5), (9.0, 8.0, 6.0, 10.0), 50.0, 0.5)
    assert smooth(curve, first=2) == Curve((1, 2, 3, 5), (9.0, 7.0, 7.0, 10.0), 50.0, 0.5)
    assert smooth(curve, first=0).times == pytest.approx((23 / 3, 23 / 3, 23 / 3, 10.0))
    assert smooth(Curve((0,), (3.0,), 0.0, 0.0), first=2).times == (3.0,)


# A text of six tokens and two behind its stop; the drafter knows the first, the second and the fifth. Room for eight.
TEXT = Text("p", (1, 2), (5, 6, 7, 8, 9, 10), (11, 12), room=8, seed=0)
PATH = Path(
    accept=(1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0),
    sure=(0.9, 0.5, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1),
    own=(0.9, 0.5, 0.6, 0.2, 0.9, 0.6, 0.1, 0.1),
    limits=(99,) * 8,
)


def rounds(gamma: int, policy: Policy = FIXED) -> list[tuple[int, int, int]]:
    return [(visit.start, visit.drafted, visit.accepted) for visit in replay(PATH, TEXT, gamma, policy)]


def test_rounds_by_hand() -> None:
    assert rounds(0) == [(i, 0, 0) for i in range(6)]
    assert rounds(1) == [(0, 1, 1), (2, 1, 0), (3, 1, 0), (4, 1, 1)]
    assert rounds(3) == [(0, 3, 2), (3, 3, 0), (4, 3, 1)]
    assert rounds(8) == [(0, 7, 2), (3, 4, 0), (4, 3, 1)], "room for eight, less the target's own token"


def test_a_policy_ends_a_draft_behind_the_token_that_it_doubts() -> None:
    product = Policy("stop_product=0.5", StopEarly(product=0.5))
    assert rounds(8, product) == [(0, 2, 2), (3, 1, 0), (4, 3, 1)]
    sure = Policy("stop_confidence=0.55", StopEarly(confidence=0.55))
    assert rounds(8, sure)[0] == (0, 2, 2), "0.5 is the last"
    assert rounds(8, sure)[1] == (3, 1, 0), "0.2 is what it would have drafted and doubted"


@pytest.mark.parametrize(
    "rows", [(10.0, 11.0, 12.0, 13.0), (10.0, 25.0, 26.0, 27.0), (10.0, 12.0, 40.0, 90.0), (9.0, 5.0, 6.0, 9.0)]
)
@pytest.mark.parametrize("accept", [(1.0, 1.0, 0.0, 1.0, 1.0, 1.0), (0.9, 0.5, 0.1, 0.7, 1.0, 0.3)])
def test_no_policy_is_cheaper_than_the_oracle(accept: tuple[float, ...], rows: tuple[float, ...]) -> None:
    path = Path((*accept, 0.0, 0.0), PATH.sure, PATH.own, PATH.limits)
    curve, none = Curve((1, 2, 3, 4), rows, 0.0), Curve((0,), (0.0,), 0.0)
    price = Price(CostModel(curve, none, none), CostModel(curve, none, none))
    subject = Subject("model:x", NgramDrafter(), ALL)
    mine: Replayed = {("model:x", p.name): [replay(path, TEXT, g, p) for g in range(4)] for p in ALL}
    replays = Replays([TEXT], [mine], {"model:x": price}, [{"model:x": places_of(path, TEXT, 3)}])
    (least,) = replays.oracle_ns("model:x")
    assert least <= min(c.total_ns for c in replays.candidates([subject])) + 1e-9
    assert least <= replays.plain_ns()[0] + 1e-9


def test_the_oracle_by_hand() -> None:
    places = places_of(PATH, TEXT, 8)  # two are accepted at the first place, one at the second and the fifth
    assert least_ns(places, lambda num, context: 10.0 + num, 2) == (10 + 2) + 10 + (10 + 1)
    assert least_ns(places, lambda num, context: 10.0 + 15.0 * num, 2) == 60, "no draft pays"
    assert least_ns(places, lambda num, context: (10.0, 11.0, 99.0)[min(num, 2)], 2) == 11 + 10 + 10 + 11, "one at most"


def test_prompt_lookup_is_asked_at_every_place() -> None:
    text = Text("p", (1, 2, 3, 1, 2), (3, 1, 2, 9), (), room=4, seed=0)
    places = own_places(NgramDrafter(), text, 8)
    assert [place.accepted for place in places[:2]] == [((3, 1.0),), ((2, 1.0),)]
    assert places[-1].most == 0


def test_candidates_cost_what_their_rounds_cost() -> None:
    flat = Curve((1, 9), (100.0, 180.0), 0.0, 1.0)  # 100 for a row, 10 for each further one, 1 for a token of the text
    drafts = Curve((0, 8), (0.0, 80.0), 0.0, 0.0)
    model = CostModel(flat, drafts, Curve((0,), (5.0,), 0.0, 0.0))
    price = Price(model, model, watching_ns=3.0)
    subject = Subject("model:x", NgramDrafter(), (FIXED, ALL[1]))
    mine: Replayed = {
        ("model:x", policy.name): [replay(PATH, TEXT, g, policy) for g in range(4)] for policy in subject.policies
    }
    replays = Replays([TEXT], [mine], {"model:x": price}, [{"model:x": places_of(PATH, TEXT, 3)}])
    assert replays.plain_ns() == [sum(105.0 + 2 + i for i in range(6))]
    found = {(c.policy, c.gamma): c for c in replays.candidates([subject])}
    assert {g for _, g in found} == {1, 2, 3}
    # Three rounds of three at texts of 2, 5 and 6 tokens: 130 for rows, 30 for drafts, 5 for the rest.
    assert found["fixed", 3].ns == (3 * 165.0 + 2 + 5 + 6,)
    assert (found["fixed", 3].rounds, found["fixed", 3].drafted, found["fixed", 3].accepted) == ((3,), (9,), (3,))
    assert found["fixed", 3].judged == (6,)
    watched = found[ALL[1].name, 3]
    assert watched.drafter == f"model:x,{ALL[1].name}"
    assert watched.ns[0] == pytest.approx(watched.drafted[0] * (20 + 3) + watched.rounds[0] * 105 + 2 + 5 + 6)
    assert replays.oracle_ns("model:x") == [3 * 105.0 + 3 * 20.0 + 2 + 5 + 6]


def test_the_round_after_a_draft_that_was_accepted_in_full_catches_up() -> None:
    flat = Curve((1, 9), (100.0, 180.0), 0.0)
    model = CostModel(flat, Curve((0,), (0.0,), 0.0), Curve((0,), (0.0,), 0.0), catch_up=7.0)
    price = Price(model, model)

    def cost(visits: list[Visit]) -> float:
        subject = Subject("model:x", NgramDrafter(), (FIXED,))
        replays = Replays([TEXT], [{("model:x", "fixed"): [[], visits]}], {"model:x": price})
        return replays.candidates([subject])[0].ns[0]

    assert cost([Visit(0, 1, 1), Visit(2, 1, 0), Visit(3, 1, 1), Visit(5, 0, 0)]) == 110 + 117 + 110 + 100
    # A place is reached three times in four, and two thirds of that by a full acceptance.
    halves = [Visit(0, 2, 1, 0.25), Visit(0, 1, 1, 0.5), Visit(2, 1, 0, 0.75)]
    assert cost(halves) == pytest.approx(0.25 * 120 + 0.5 * 110 + 0.75 * (110 + 7 * 2 / 3))


def test_records_hold_every_gamma_from_none_on() -> None:
    mine: Replayed = {("model:x", "fixed"): [replay(PATH, TEXT, g, FIXED) for g in range(4)]}
    (record,) = Replays([TEXT], [mine], {}).records()
    assert record.rounds == (6, 4, 3, 3)
    assert record.drafted[0] == record.accepted[0] == 0
    assert all(a + r >= record.tokens for a, r in zip(record.accepted, record.rounds, strict=True))
    assert '"rounds":[6,4,3,3]' in record.model_dump_json().replace(".0", "")


def test_a_longer_text_is_no_unsteadiness() -> None:
    def sitting(context: int, factor: int) -> Phases:
        num = 4
        return Phases(
            arm="none",
            prompt_id="p",
            prompt_tokens=context,
            rounds=Rounds(drafted=(0,) * num, accepted=(0,) * num, emitted=(1,) * num),
            draft_ns=(0,) * num,
            target_ns=tuple(factor * (1000 + context + i) for i in range(num)),
            rest_ns=(0,) * num,
        )

    target = Curve((1,), (1000.0,), 0.0, 1.0)
    assert unsteadiness([sitting(100, 1), sitting(900, 1)], target) == pytest.approx(0.0)
    assert unsteadiness([sitting(100, 1), sitting(900, 2)], target) == pytest.approx(1 / 1.5)
