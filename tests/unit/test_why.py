"""Why categories are not accepted alike: the split of a difference, on counts whose answer is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.metrics import Counts
from draftlab.records import Detail
from draftlab.report.why import decompose, explain
from tests.unit.handmade import prompt
from tests.unit.spelled import Spelling, detail, run_of, watched

Groups = list[list[Counts]]


def groups(*rates: tuple[int, int], num_prompts: int = 1) -> Groups:
    """(accepted, judged) of each group, the same in every prompt."""
    return [[Counts(accepted=a, judged=j)] * num_prompts for a, j in rates]


def values(first: Groups, second: Groups) -> list[float | None]:
    return [part.value for part in decompose(first, second)]


def test_other_shares_at_the_same_rates_are_mix() -> None:
    # Rates .9 and .5 in both; shares 3/4 and 1/4 against 1/4 and 3/4: .8 less .6.
    assert values(groups((27, 30), (5, 10)), groups((9, 10), (15, 30))) == pytest.approx([0.2, 0.2, 0.0])


def test_other_rates_at_the_same_shares_are_within() -> None:
    assert values(groups((9, 10), (5, 10)), groups((6, 10), (4, 10))) == pytest.approx([0.2, 0.0, 0.2])


def test_the_two_ways_may_oppose_one_another() -> None:
    # Shares .8/.2 and .2/.8, rates .5/.1 and .7/.3: mix (.6)(.6) - (.6)(.2), within -.2 in both groups.
    found = values(groups((40, 80), (2, 20)), groups((14, 20), (24, 80)))
    assert found == pytest.approx([0.42 - 0.38, 0.24, -0.2])


def test_a_group_that_one_side_lacks_is_mix() -> None:
    assert values(groups((9, 10), (0, 0)), groups((9, 10), (2, 10))) == pytest.approx([0.9 - 0.55, 0.35, 0.0])


def test_a_group_that_neither_has_adds_nothing() -> None:
    assert values(groups((9, 10), (0, 0)), groups((5, 10), (0, 0))) == pytest.approx([0.4, 0.0, 0.4])


COUNTS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda t: (min(t), max(t))), min_size=3, max_size=3
)


@given(COUNTS, COUNTS)
def test_the_parts_are_the_whole_and_change_sign_with_the_sides(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    forth, back = values(groups(*first), groups(*second)), values(groups(*second), groups(*first))
    if not all(sum(j for _, j in side) for side in (first, second)):
        assert forth == back == [None, None, None]
        return
    rate = [sum(a for a, _ in side) / sum(j for _, j in side) for side in (first, second)]
    assert forth[0] == pytest.approx(rate[0] - rate[1])
    assert forth[0] == pytest.approx((forth[1] or 0) + (forth[2] or 0))
    assert back == pytest.approx([-(part or 0) for part in forth])


def test_intervals_need_enough_prompts_on_both_sides() -> None:
    one, two = ((9, 10), (5, 10)), ((6, 10), (4, 10))
    difference, _, within = decompose(groups(*one, num_prompts=6), groups(*two, num_prompts=6))
    assert (difference.low, difference.high) == (pytest.approx(0.2), pytest.approx(0.2))
    assert (within.low, within.high) == (pytest.approx(0.2), pytest.approx(0.2))
    assert decompose(groups(*one, num_prompts=9), groups(*two, num_prompts=5))[0].low is None


def test_an_interval_is_as_wide_as_prompts_differ() -> None:
    """One category of prompts that accept all or nothing, by halves: .5 with a standard error of .5 / sqrt(40)."""
    first = [[Counts(accepted=a, judged=1) for a in [0, 1] * 20]]
    difference, mix, within = decompose(first, groups((1, 2), num_prompts=40))
    assert difference.value == 0
    assert within.low == pytest.approx(-1.96 * 0.5 / 40**0.5, abs=0.02)
    assert within.high == pytest.approx(1.96 * 0.5 / 40**0.5, abs=0.02)
    assert (mix.low, mix.high) == (pytest.approx(0), pytest.approx(0))


def one_token(spell: Spelling, name: str, entropy: float, *, accepted: bool) -> Detail:
    return detail(name, [watched(spell("x"), int(accepted), spell("x", "y")[: 1 + accepted], entropy=entropy)])


def test_every_pair_of_categories_is_explained_twice() -> None:
    spell = Spelling()
    details = [
        one_token(spell, "a", 0.0, accepted=True),
        one_token(spell, "b", 0.0, accepted=True),
        one_token(spell, "c", 2.5, accepted=False),
    ]
    prompts = [prompt("a", "code"), prompt("b", "prose"), prompt("c", "prose"), prompt("d", "math")]
    found = explain(run_of(details, spell.bytes, prompts))
    assert [(why.first, why.second, why.by) for why in found] == [
        ("code", "prose", "entropy"), ("code", "prose", "token_class"),
    ]  # fmt: skip
    by_entropy, by_class = found
    assert (by_entropy.drafter, by_entropy.gamma, by_entropy.rule) == ("ngram", 5, "rejection")
    assert [part.value for part in (by_entropy.difference, by_entropy.mix, by_entropy.within)] == [0.5, 0.5, 0.0]
    # An identifier here and words there: no class is in both.
    assert [part.value for part in (by_class.difference, by_class.mix, by_class.within)] == [0.5, 0.5, 0.0]


def test_a_run_without_details_explains_nothing() -> None:
    assert explain(run_of([], prompts=[prompt("a", "code"), prompt("b", "prose")])) == []
