"""The definitions of docs/glossary.md: examples worked out by hand, then what has to hold for any run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.metrics import (
    Counts,
    PositionCounts,
    acceptance_at,
    acceptance_rate,
    accepted_per_round,
    block_efficiency,
    by_place,
    by_position,
    count,
    draft_utilization,
    first_difference,
    tokens_per_s,
)
from draftlab.records import Trace
from tests.unit.handmade import BASELINE, DRAFTED, failure, trace

GAMMA = 4
ROUNDS = st.lists(st.integers(0, GAMMA).flatmap(lambda d: st.tuples(st.just(d), st.integers(0, d))), min_size=1)


def traces_of(runs: list[list[tuple[int, int]]]) -> list[Trace]:
    """A trace for every list of (drafted, accepted)."""
    return [trace(DRAFTED, str(i), drafted=[d for d, _ in r], accepted=[a for _, a in r]) for i, r in enumerate(runs)]


RUNS = st.lists(ROUNDS, min_size=1, max_size=4).map(traces_of)

# 4 drafted, all accepted; 4 drafted, 1 accepted and 1 rejected; nothing drafted; 2 drafted, 1 rejected.
WORKED = trace(DRAFTED, "a", range(10), drafted=[4, 4, 0, 2], accepted=[4, 1, 0, 0], decode_ns=2_000_000_000)


def test_the_counts_of_a_worked_example() -> None:
    assert count([WORKED]) == Counts(
        rounds=4, drafted=10, accepted=5, judged=7, tokens=10, prefill_ns=500_000, decode_ns=2_000_000_000
    )


def test_the_figures_of_a_worked_example() -> None:
    counts = count([WORKED])
    assert acceptance_rate(counts) == pytest.approx(5 / 7)  # 2 tokens behind the first rejection were never judged
    assert draft_utilization(counts) == pytest.approx(5 / 10)
    assert block_efficiency(counts) == pytest.approx(9 / 4)
    assert tokens_per_s(counts) == pytest.approx(5.0)
    assert acceptance_at([WORKED]) == pytest.approx([2 / 3, 1 / 3, 1 / 2, 1 / 2])


def test_plain_decoding_yields_one_token_a_pass_and_has_no_acceptance() -> None:
    counts = count([trace(BASELINE, "a")])
    assert block_efficiency(counts) == 1.0
    assert acceptance_rate(counts) is None
    assert draft_utilization(counts) is None
    assert acceptance_at([trace(BASELINE, "a")]) == []


def test_nothing_counted_is_nothing_known() -> None:
    for metric in (acceptance_rate, draft_utilization, block_efficiency, tokens_per_s):
        assert metric(Counts()) is None


def test_a_failed_trace_counts_nowhere() -> None:
    with_numbers = WORKED.model_copy(update={"status": "failed"})  # no run writes such a one
    assert count([WORKED, failure(DRAFTED, "b"), with_numbers]) == count([WORKED])
    assert acceptance_at([failure(DRAFTED, "b")]) == []


def test_a_trace_without_prefill_counts_its_other_numbers() -> None:
    assert count([trace(BASELINE, "a", prefill_ns=None)]).prefill_ns == 0


@given(RUNS, RUNS)
def test_counts_add_across_traces(left: list[Trace], right: list[Trace]) -> None:
    assert count(left) + count(right) == count([*left, *right])


@given(RUNS)
def test_the_order_of_traces_does_not_matter(traces: list[Trace]) -> None:
    assert count(traces) == count(traces[::-1])
    assert acceptance_at(traces) == acceptance_at(traces[::-1])


@given(RUNS)
def test_block_efficiency_lies_between_one_and_gamma_plus_one(traces: list[Trace]) -> None:
    efficiency = block_efficiency(count(traces))
    assert efficiency is not None
    assert 1 <= efficiency <= GAMMA + 1


@given(RUNS)
def test_judged_tokens_are_some_of_the_drafted_so_acceptance_is_at_least_utilization(traces: list[Trace]) -> None:
    counts = count(traces)
    assert counts.accepted <= counts.judged <= counts.drafted
    alpha, utilization = acceptance_rate(counts), draft_utilization(counts)
    assert (alpha is None) == (utilization is None) == (counts.drafted == 0)
    if alpha is not None and utilization is not None:
        assert 0 <= utilization <= alpha <= 1


@given(RUNS)
def test_accepted_per_round_is_block_efficiency_less_the_targets_own_token(traces: list[Trace]) -> None:
    counts = count(traces)
    assert block_efficiency(counts) == pytest.approx(1 + counts.accepted / counts.rounds)


@given(RUNS)
def test_acceptance_by_position_adds_up_to_all_accepted_tokens(traces: list[Trace]) -> None:
    drafted_at = [sum(d > i for t in traces for d in t.rounds.drafted) for i in range(GAMMA)]
    rates = acceptance_at(traces)
    assert all(0 <= rate <= 1 for rate in rates)
    assert sum(r * d for r, d in zip(rates, drafted_at, strict=False)) == pytest.approx(count(traces).accepted)


@given(st.integers(1, GAMMA), st.lists(st.integers(0, GAMMA), min_size=1))
def test_later_positions_are_accepted_no_more_often_where_all_drafts_have_one_length(d: int, kept: list[int]) -> None:
    rates = acceptance_at([trace(DRAFTED, "a", drafted=[d] * len(kept), accepted=[min(d, k) for k in kept])])
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize(
    ("left", "right", "where"),
    [([], [], None), ([1, 2], [1, 2], None), ([1, 2], [1, 3], 1), ([1, 2], [1, 2, 3], 2), ([1], [], 0)],
)
def test_first_difference(left: list[int], right: list[int], where: int | None) -> None:
    assert first_difference(left, right) == where
    assert first_difference(right, left) == where


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_texts_agree_before_their_first_difference_and_not_at_it(left: list[int], right: list[int]) -> None:
    at = first_difference(left, right)
    if at is None:
        assert left == right
    else:
        assert left[:at] == right[:at]
        assert left[at : at + 1] != right[at : at + 1]


def test_the_counts_of_a_position() -> None:
    decode = trace(DRAFTED, "a", drafted=[2, 1, 2], accepted=[1, 0, 0])
    assert by_position([decode]) == [PositionCounts(3, 3, 1), PositionCounts(2, 1, 0)]
    assert by_position([]) == []


def test_judged_tokens_by_where_they_stand() -> None:
    # Rounds at 0, 2 and 3: judged are 0, 1 (rejected); 2 (rejected); 3, 4.
    decode = trace(DRAFTED, "a", drafted=[3, 1, 2], accepted=[1, 0, 2])
    found = by_place([decode, decode], [1, 3])
    assert [(c.judged, c.accepted) for c in found] == [(2, 2), (4, 0), (4, 4)]


def test_accepted_per_round_is_block_efficiency_without_the_targets_own_token() -> None:
    assert accepted_per_round(count([WORKED])) == 5 / 4
    assert accepted_per_round(Counts()) is None
