"""Costs are recovered from rounds whose costs are known, whatever slow moments lie among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from draftlab.cost import CostModel, Curve, fit
from draftlab.errors import DraftlabError
from draftlab.records import Phases, Rounds

ONE, STEP, ROW, DRAFT, REST = 40e6, 6e6, 0.5e6, 9e6, 0.3e6
ONE_GROWS, SEVERAL_GROW, DRAFT_GROWS = 20e3, 30e3, 4e3
LATE = 1.5e6

Cost = Callable[[int, int, bool], tuple[float, float, float]]


def true_cost(num: int, context: int, catches_up: bool) -> tuple[float, float, float]:
    """Draft, target and rest: a step from one row to two, and all of it grows with the text."""
    late = LATE if catches_up and num else 0.0
    target = ONE + ONE_GROWS * context if num == 0 else ONE + STEP + ROW * (num - 1) + SEVERAL_GROW * context
    return num * (DRAFT + DRAFT_GROWS * context) + late, target, REST


def watched(
    drafted: Sequence[int], accepted: Sequence[int], cost: Cost = true_cost, *, prompt: int = 50, slow: float = 0.0
) -> Phases:
    """A decode with these rounds; a share `slow` of them, and always the first, meets a moment four times as slow."""
    chance = random.Random(prompt)
    context, full, rows = prompt, False, []
    for i, (num, kept) in enumerate(zip(drafted, accepted, strict=True)):
        factor = 4.0 if i == 0 or chance.random() < slow else 1.0
        rows.append([round(part * factor) for part in cost(num, context, full)])
        context += kept + 1
        full = num > 0 and kept == num
    draft_ns, target_ns, rest_ns = zip(*rows, strict=True)
    emitted = tuple(kept + 1 for kept in accepted)
    rounds = Rounds(drafted=tuple(drafted), accepted=tuple(accepted), emitted=emitted)
    return Phases(
        arm="some", prompt_id=f"p{prompt}", prompt_tokens=prompt, rounds=rounds,
        draft_ns=draft_ns, target_ns=target_ns, rest_ns=rest_ns,
    )  # fmt: skip


def plain(num: int = 60, *, prompt: int = 50, slow: float = 0.0) -> Phases:
    return watched([0] * num, [0] * num, prompt=prompt, slow=slow)


def drafting(lengths: Sequence[int], *, prompt: int = 50, slow: float = 0.0, num: int = 120) -> Phases:
    chance = random.Random(7)
    drafted = [lengths[i % len(lengths)] for i in range(num)]
    return watched(drafted, [chance.randint(0, d) for d in drafted], prompt=prompt, slow=slow)


def everything(slow: float = 0.0) -> list[Phases]:
    return [
        p
        for prompt in (50, 200)
        for p in (plain(prompt=prompt, slow=slow), drafting([1, 2, 5], prompt=prompt, slow=slow))
    ]


@pytest.mark.parametrize("slow", [0.0, 0.15])
@pytest.mark.parametrize("context", [60, 250])
@pytest.mark.parametrize("num", [0, 1, 2, 4, 5, 7])
def test_the_cost_of_a_round_is_recovered(num: int, context: int, slow: float) -> None:
    """4 lies between lengths that were seen, 7 beyond them; in one case every seventh round is four times as slow."""
    costs = fit(everything(slow))
    for catches_up in (False, True):
        expected = sum(true_cost(num, context, catches_up))
        assert costs.round_ns(num, context, catches_up=catches_up) == pytest.approx(expected, rel=0.03)
    assert costs.plain_ns(context) == pytest.approx(sum(true_cost(0, context, False)), rel=0.03)


def test_the_step_from_one_row_to_two_stays_a_step() -> None:
    costs = fit(everything())
    one, two, three = (costs.target(rows, 0) for rows in (1, 2, 3))
    assert two - one == pytest.approx(STEP, rel=0.02)
    assert three - two == pytest.approx(ROW, rel=0.1)


def test_growth_is_told_apart_for_one_row_and_for_several_and_for_each_drafted_token() -> None:
    costs = fit(everything(0.15))
    assert costs.target.growth(1) == pytest.approx(ONE_GROWS, rel=0.05)
    assert costs.target.growth(4) == pytest.approx(SEVERAL_GROW, rel=0.05)
    assert costs.draft.growth(3) == pytest.approx(3 * DRAFT_GROWS, rel=0.1)


def test_what_a_fully_accepted_draft_leaves_to_be_read_is_a_term_of_its_own() -> None:
    assert fit(everything(0.15)).catch_up == pytest.approx(LATE, rel=0.1)


def test_texts_of_one_length_tell_no_growth() -> None:
    costs = fit([plain(20), drafting([3], num=8)])
    assert (costs.target.growth(1), costs.target.growth(4), costs.draft.growth(3)) == (0, 0, 0)


def test_a_few_drafts_are_taken_to_grow_as_ordinary_steps_do() -> None:
    costs = fit([plain(80), drafting([3], num=6)])
    assert costs.target.growth(4) == costs.target.growth(1) == pytest.approx(ONE_GROWS, rel=0.05)


def test_times_that_fall_with_the_text_are_taken_for_noise() -> None:
    falling = watched([0] * 200, [0] * 200, lambda num, context, late: (0.0, 1e8 - 1e5 * context, 0.0))
    assert fit([falling]).target.growth(1) == 0


def test_a_length_seen_once_in_a_slow_moment_does_not_bend_the_curve() -> None:
    odd = watched([4, 2, 4], [0, 0, 0], lambda num, context, late: (0.0, 9e9 if num == 2 else 5e7, 0.0))
    costs = fit([plain(), drafting([4]), odd])
    assert 2 + 1 not in costs.target.sizes
    assert costs.target(3, 60) < costs.target(5, 60)


def test_of_two_times_of_the_greatest_length_the_shorter_counts() -> None:
    """It cannot be interpolated, and what disturbs a time makes it longer."""
    rare = watched([1, 3, 3], [0, 0, 0], lambda num, context, late: (0.0, 7e9 if context == 51 else 5e7, 0.0))
    assert fit([plain(), rare]).target(4, 52) == pytest.approx(5e7, rel=0.05)


def test_a_round_without_a_draft_costs_what_it_costs_the_drafter_and_plain_decoding_asks_none() -> None:
    def looks_up(num: int, context: int, late: bool) -> tuple[float, float, float]:
        return 2e6, 4e7, 1e5

    costs = fit([watched([0] * 30, [0] * 30, lambda *_: (0.0, 4e7, 1e5)), watched([0, 3] * 15, [0, 1] * 15, looks_up)])
    assert costs.round_ns(0, 60) - costs.plain_ns(60) == pytest.approx(2e6)


def test_a_failed_decode_counts_for_nothing() -> None:
    failed = Phases(arm="none", prompt_id="a", error="Oops: no")
    assert fit([failed, *everything()]) == fit(everything())


def test_without_an_ordinary_step_there_is_nothing_to_compare_with() -> None:
    with pytest.raises(DraftlabError, match="none is an ordinary step"):
        fit([drafting([3])])
    with pytest.raises(DraftlabError, match="0 watched rounds"):
        fit([])


def test_a_curve_goes_on_beyond_what_was_seen_and_never_falls_below_nothing() -> None:
    curve = Curve((1, 3, 5), (10.0, 20.0, 40.0), 100.0, 0.5)
    assert [curve(size, 100) for size in (1, 2, 3, 4, 5, 7)] == [10, 15, 20, 30, 40, 60]
    assert curve(1, 110) == 15
    assert curve(1, 0) == 0
    assert Curve((1, 2), (10.0, 8.0), 0.0)(9, 0) == 8


def test_a_model_made_by_hand_needs_three_curves_only() -> None:
    costs = CostModel(Curve((1, 2), (10.0, 12.0), 0.0), Curve((0, 1), (0.0, 3.0), 0.0), Curve((0,), (1.0,), 0.0))
    assert (costs.round_ns(1, 0), costs.round_ns(0, 0), costs.plain_ns(0)) == (16, 11, 11)


@settings(max_examples=30, deadline=None)
@given(
    factor=st.floats(0.01, 100.0),
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=4, unique=True),
    slow=st.floats(0.0, 0.1),
)
def test_a_faster_machine_makes_all_costs_smaller_by_as_much(factor: float, lengths: list[int], slow: float) -> None:
    def scaled(decode: Phases) -> Phases:
        columns = ("draft_ns", "target_ns", "rest_ns")
        return decode.model_copy(update={c: tuple(round(t * factor) for t in getattr(decode, c)) for c in columns})

    decodes = [plain(slow=slow), drafting(lengths, slow=slow, num=60)]
    before, after = fit(decodes), fit([scaled(d) for d in decodes])
    for num in range(9):
        assert after.round_ns(num, 80) == pytest.approx(factor * before.round_ns(num, 80), rel=1e-3)
