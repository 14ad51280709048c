"""The rejection rule on cases that can be worked out by hand."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from draftlab.chance import PhiloxChance
from draftlab.distributions import Dense, PointMasses
from draftlab.errors import ContractError
from draftlab.rules.rejection import RejectionRule
from draftlab.testing import EnumeratedChance, enumerate_law
from draftlab.types import Draft, Verdict

P = [[1 / 3, 2 / 3]] * 3
Q = [[2 / 3, 1 / 3]] * 2


def dense(rows: list[list[float]]) -> Dense:
    return Dense(torch.tensor(rows, dtype=torch.float64).unbind())


def test_the_toy_case_of_block_verification_accepts_ten_ninths() -> None:
    """Sun et al. 2025 (arXiv 2403.10444): p = (1/3, 2/3), q = (2/3, 1/3), gamma 2; the token rule accepts 10/9."""
    expected = 0.0
    for tokens in product(range(2), repeat=2):
        weight = Q[0][tokens[0]] * Q[1][tokens[1]]

        def judge(chance: EnumeratedChance, tokens: tuple[int, ...] = tokens) -> int:
            return len(RejectionRule().verify(Draft(tokens, dense(Q)), dense(P), chance.round(0)).accepted)

        expected += weight * sum(count * mass for count, mass in enumerate_law(judge).items())
    assert expected == pytest.approx(10 / 9, abs=1e-12)


@pytest.mark.parametrize(
    ("drafted", "accepted", "following"), [([1, 2], 2, 3), ([1, 9], 1, 2), ([9, 2], 0, 1), ([], 0, 1)]
)
def test_greedy_keeps_what_agrees_and_corrects_the_rest(drafted: list[int], accepted: int, following: int) -> None:
    p = PointMasses([1, 2, 3][: len(drafted) + 1])
    verdict = RejectionRule().verify(Draft(drafted), p, PhiloxChance(0).round(0))
    assert verdict == Verdict(range(accepted), following)


def test_a_token_that_q_could_not_have_drawn_is_a_broken_contract() -> None:
    with pytest.raises(ContractError, match="probability 0"):
        RejectionRule().verify(Draft([0], dense([[0.0, 1.0]])), dense(P[:2]), PhiloxChance(0).round(0))


def test_equal_p_and_q_accept_everything() -> None:
    for seed in range(50):
        verdict = RejectionRule().verify(Draft([0, 1], dense(P[:2])), dense(P), PhiloxChance(seed).round(0))
        assert len(verdict.accepted) == 2
