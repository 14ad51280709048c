"""Rows: what every distribution must answer, whatever its representation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from draftlab import distributions as module
from draftlab.distributions import Dense, DenseRow, PointMass, PointMasses, join, proposal
from draftlab.errors import ContractError
from draftlab.types import Draft, Row


def row(*mass: float) -> DenseRow:
    return DenseRow(torch.tensor(mass, dtype=torch.float64))


masses = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=6).filter(lambda m: sum(m) > 0.1)
uniforms = st.floats(0.0, 1.0, exclude_max=True)


def normal(mass: list[float]) -> DenseRow:
    return row(*(m / sum(mass) for m in mass))


@given(masses, uniforms)
def test_a_quantile_never_has_probability_zero(mass: list[float], u: float) -> None:
    subject = normal(mass)
    assert subject.probability(subject.quantile(u)) > 0


@given(masses)
def test_the_support_sums_to_one(mass: list[float]) -> None:
    assert sum(share for _, share in normal(mass).support()) == pytest.approx(1.0)


@given(masses, masses)
def test_the_residual_is_what_the_paper_says(p: list[float], q: list[float]) -> None:
    size = min(len(p), len(q))
    left, right = normal([m + 0.01 for m in p[:size]]), normal([m + 0.01 for m in q[:size]])
    over = [max(0.0, left.probability(t) - right.probability(t)) for t in range(size)]
    rest = left.minus(right)
    for token in range(size):
        expected = over[token] / sum(over) if sum(over) > 1e-9 else left.probability(token)
        if not 0 < sum(over) <= 1e-9:  # between the two, rounding decides
            assert rest.probability(token) == pytest.approx(expected, abs=1e-6)


def test_quantiles_cut_the_unit_interval_in_order() -> None:
    subject = row(0.25, 0.0, 0.5, 0.25)
    assert [subject.quantile(u) for u in (0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-53)] == [0, 0, 2, 2, 3, 3]


def test_a_row_whose_rounding_leaves_a_gap_at_the_top_still_answers() -> None:
    subject = DenseRow(torch.tensor([0.3, 0.3, 0.3999999, 0.0]))
    assert subject.quantile(1 - 2**-53) == 2


@pytest.mark.parametrize("size", [1025, 1536, 5000])
@pytest.mark.parametrize("kind", ["dense", "sparse", "early", "late"])
def test_the_quantiles_of_a_long_row_are_those_of_its_sums(
    size: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adding up by blocks finds what adding up token by token does, within the share of every token."""
    monkeypatch.setattr(module, "_LONG", 1024)
    mass = torch.rand(size, generator=torch.Generator().manual_seed(size), dtype=torch.float64).round(decimals=3)
    if kind != "dense":
        kept = {"sparse": [3, 511, 512, size - 1], "early": [0, 1], "late": [size - 2, size - 1]}[kind]
        mass = torch.zeros_like(mass).index_fill_(0, torch.tensor(kept), 0.25)
    total, reached = float(mass.sum()), 0.0
    for token, share in enumerate(mass.tolist()):
        if share:
            assert DenseRow(mass).quantile((reached + share / 2) / total) == token
        reached += share
    assert DenseRow(mass).quantile(0.0) == int(mass.nonzero()[0])
    assert DenseRow(mass).quantile(1 - 2**-53) == int(mass.nonzero()[-1])


def test_a_long_row_answers_with_a_token_that_has_mass_wherever_rounding_leads() -> None:
    mass = torch.zeros(70_000)
    mass[::7] = 0.1
    mass[60_000:] = 0.0
    for u in torch.linspace(0, 1, 2001, dtype=torch.float64)[:-1].tolist():
        assert DenseRow(mass).probability(DenseRow(mass).quantile(u)) > 0


def test_equal_rows_leave_an_empty_residual_and_p_is_used() -> None:
    p = row(0.5, 0.3, 0.2)
    assert p.minus(row(0.5, 0.3, 0.2)) is p


def test_a_point_mass_taken_from_a_row_is_renormalised() -> None:
    assert dict(row(0.5, 0.3, 0.2).minus(PointMass(0)).support()) == pytest.approx({1: 0.6, 2: 0.4})


def test_a_row_may_be_wider_or_narrower_than_what_is_taken_from_it() -> None:
    assert row(0.2, 0.3, 0.5).minus(row(0.5, 0.5)).support() == [(2, 1.0)]
    assert row(0.2, 0.8).minus(row(0.5, 0.2, 0.3)).support() == [(1, 1.0)]
    assert dict(row(0.2, 0.8).minus(PointMass(7)).support()) == pytest.approx({0: 0.2, 1: 0.8})


def test_tokens_beyond_the_width_have_probability_zero() -> None:
    assert row(0.5, 0.5).probability(2) == 0.0
    assert Dense([torch.tensor([0.5, 0.5])]).probabilities([9]) == [0.0]


def test_point_masses() -> None:
    subject = PointMasses([4, 2])
    assert len(subject) == 2
    assert subject.probabilities([4, 3]) == [1.0, 0.0]
    assert subject[1].quantile(0.99) == 2
    assert subject[1].support() == [(2, 1.0)]
    assert subject[0].minus(subject[1]).support() == [(4, 1.0)]


def test_probabilities_of_fewer_tokens_than_rows() -> None:
    assert Dense(torch.tensor([[0.25, 0.75], [0.5, 0.5]]).unbind()).probabilities([1]) == [0.75]
    assert PointMasses([1, 0]).probabilities([1]) == [1.0]
    assert Dense([]).probabilities([]) == []


def test_joining_keeps_the_rows_and_refuses_a_mixture() -> None:
    dense: list[Row] = [row(0.5, 0.5), row(0.1, 0.9)]
    assert join(dense).probabilities([0, 1]) == pytest.approx([0.5, 0.9])
    assert join([PointMass(3), PointMass(1)]).probabilities([3, 1]) == [1.0, 1.0]
    with pytest.raises(ContractError):
        join([PointMass(3), row(0.5, 0.5)])


def test_a_deterministic_draft_was_drawn_from_its_own_tokens() -> None:
    assert proposal(Draft([5, 6])).probabilities([5, 6]) == [1.0, 1.0]
    q = Dense([torch.tensor([0.5, 0.5])])
    assert proposal(Draft([0], q)) is q
