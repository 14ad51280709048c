"""The draft length that adapts, on drafts whose fate is made up: what it chooses follows from costs and outcomes."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.adaptive import LONGEST_PAUSE, MARGIN, PROBE_SHARE, SHORTEST_PAUSE, Adaptive
from draftlab.types import Round

MOST = 16
CHEAP = [1.0] + [1.05 + 0.06 * n for n in range(1, MOST + 1)]
MEDIUM = [1.0] + [1.1 + 0.25 * n for n in range(1, MOST + 1)]
DEAR = [1.0] + [1.2 + 0.7 * n for n in range(1, MOST + 1)]
HOPELESS = [1.0] + [1.1 + 1.0 * n for n in range(1, MOST + 1)]  # not even if everything is accepted

Fate = Callable[[int], bool]


def outcome(num_drafted: int, fate: Fate) -> Round:
    """A round in which the token at depth i is accepted if fate(i) says so."""
    accepted = next((i for i in range(num_drafted) if not fate(i)), num_drafted)
    return Round(num_drafted, accepted, (0,) * (accepted + 1))


def play(policy: Adaptive, fate: Fate, num_rounds: int) -> list[Round]:
    rounds = []
    for _ in range(num_rounds):
        rounds.append(outcome(policy.limit(), fate))
        policy.observe(rounds[-1])
    return rounds


def drafted(rounds: list[Round]) -> list[int]:
    return [played.num_drafted for played in rounds]


def often(rate: float, seed: int = 1) -> Fate:
    chance = random.Random(seed)
    return lambda _: chance.random() < rate


def speedup(policy: Adaptive, rounds: list[Round]) -> float:
    return sum(len(r.emitted) for r in rounds) * policy.costs[0] / sum(policy.costs[r.num_drafted] for r in rounds)


def test_good_and_cheap_drafts_become_as_long_as_they_may() -> None:
    policy = Adaptive(CHEAP)
    first = policy.limit()
    assert 1 < first < MOST
    assert drafted(play(policy, lambda _: True, 30))[-1] == MOST == policy.most


def test_dearer_drafts_are_shorter() -> None:
    lengths = []
    for costs in (CHEAP, MEDIUM):
        rounds = drafted(play(Adaptive(costs), often(0.7), 200))[50:]
        lengths.append(sum(rounds) / len(rounds))
    assert lengths[0] > 1.5 * lengths[1] > 0


def test_a_drafter_too_dear_for_what_may_be_expected_gets_one_chance_at_the_beginning() -> None:
    rounds = drafted(play(Adaptive(DEAR), lambda _: False, SHORTEST_PAUSE))
    assert rounds == [1] + [0] * (SHORTEST_PAUSE - 1)
    assert drafted(play(Adaptive(DEAR), lambda _: True, 40))[-1] > 1


def test_what_would_not_pay_if_all_of_it_were_accepted_is_never_drafted() -> None:
    assert set(drafted(play(Adaptive(HOPELESS), lambda _: True, 3 * LONGEST_PAUSE))) == {0}


def test_what_is_rejected_is_given_up_and_probed_with_one_token_at_the_stated_rounds() -> None:
    policy = Adaptive(MEDIUM)
    rounds = drafted(play(policy, lambda _: False, 400))
    given_up = rounds.index(0)
    assert given_up <= 6
    probes = [i for i, n in enumerate(rounds) if n and i > given_up]
    pauses = [after - before - 1 for before, after in pairwise(probes)]
    assert {rounds[i] for i in probes} == {1}
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in pauses)
    assert pauses == sorted(pauses)  # the less hope, the less often
    # A probe is thought to lose 0.35 rounds less what it gains, which is little at the end.
    assert 0.2 / PROBE_SHARE < pauses[-1] < 0.35 / PROBE_SHARE


def test_pauses_grow_up_to_the_longest_where_a_probe_is_dear() -> None:
    rounds = drafted(play(Adaptive(DEAR), lambda _: False, 300))
    probes = [i for i, n in enumerate(rounds) if n]
    pauses = [after - before - 1 for before, after in pairwise(probes)]
    assert SHORTEST_PAUSE < pauses[0] < LONGEST_PAUSE / 2
    assert pauses[0] < pauses[1] <= pauses[2] == pauses[3] == LONGEST_PAUSE


def test_probes_cost_little() -> None:
    policy = Adaptive(MEDIUM)
    play(policy, lambda _: False, 30)
    assert speedup(policy, play(policy, lambda _: False, 300)) > 0.97


def test_an_accepted_probe_is_followed_by_another_at_once_until_drafts_pay_again() -> None:
    policy = Adaptive(MEDIUM)
    play(policy, lambda _: False, 60)
    rounds = drafted(play(policy, lambda _: True, LONGEST_PAUSE + 30))
    back = next(i for i, n in enumerate(rounds) if n)
    assert 0 not in rounds[back:]
    assert rounds[-1] > 4
    assert rounds[back] < rounds[-1]


def test_empty_drafts_say_nothing() -> None:
    """A drafter that finds nothing to offer is asked as before, however often."""
    policy = Adaptive(CHEAP)
    play(policy, lambda _: True, 3)
    before = policy.limit()
    for _ in range(100):
        policy.observe(Round(0, 0, (0,)))
        assert policy.limit() == before


def test_a_probe_waits_for_a_draft() -> None:
    policy = Adaptive(MEDIUM)
    play(policy, lambda _: False, 30)
    while not policy.limit():
        policy.observe(Round(0, 0, (0,)))
    for _ in range(10):  # nothing was offered
        policy.observe(Round(0, 0, (0,)))
        assert policy.limit() == 1  # as before


@pytest.mark.parametrize("costs", [CHEAP, DEAR], ids=["cheap", "dear"])
def test_a_text_teaches_nothing_for_the_next(costs: list[float]) -> None:
    policy, fresh = Adaptive(costs), Adaptive(costs)
    play(policy, lambda _: False, 50)
    policy.begin()
    assert drafted(play(policy, often(0.6), 100)) == drafted(play(fresh, often(0.6), 100))


@pytest.mark.parametrize("costs", [CHEAP, MEDIUM, DEAR])
def test_the_scale_of_the_costs_does_not_matter(costs: list[float]) -> None:
    twice = drafted(play(Adaptive([2.0**20 * cost for cost in costs]), often(0.7), 200))
    assert drafted(play(Adaptive(costs), often(0.7), 200)) == twice


@given(
    st.lists(st.floats(0.1, 100.0), min_size=1, max_size=9),
    st.lists(st.floats(0.0, 1.0), max_size=60),
    st.randoms(use_true_random=False),
)
def test_it_stays_within_its_bounds_whatever_happens(
    costs: list[float], rates: list[float], chance: random.Random
) -> None:
    policy = Adaptive(costs)
    for rate in rates:
        limit = policy.limit()
        assert 0 <= limit <= policy.most == len(costs) - 1
        offered = chance.randint(0, limit)  # near the end of a text, or for want of a match
        policy.observe(outcome(offered, lambda _, rate=rate: chance.random() < rate))  # type: ignore[misc]


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("costs", [CHEAP, MEDIUM, DEAR], ids=["cheap", "medium", "dear"])
def test_it_is_not_far_from_the_best_fixed_length_and_never_far_below_plain(costs: list[float], rate: float) -> None:
    def tokens_per_cost(gamma: int) -> float:
        return sum(rate**k for k in range(gamma + 1)) / costs[gamma]

    best = max(tokens_per_cost(gamma) for gamma in range(MOST + 1))
    policy = Adaptive(costs)
    rounds = []
    for seed in range(40):  # texts of 60 rounds
        policy.begin()
        rounds += play(policy, often(rate, seed), 60)
    assert speedup(policy, rounds) > 0.9 * best
    assert speedup(policy, rounds) > 0.95 - MARGIN
