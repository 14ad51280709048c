"""Block verification against the paper's toy case and against the token rule."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from draftlab.distributions import Dense
from draftlab.rules.block import BlockRule
from draftlab.rules.rejection import RejectionRule
from draftlab.testing import EnumeratedChance, enumerate_law
from draftlab.types import Draft, VerificationRule

Rows = list[list[float]]


def dense(rows: Rows) -> Dense:
    return Dense(torch.tensor(rows, dtype=torch.float64).unbind())


def mean_accepted(rule: VerificationRule, p: Rows, q: Rows) -> float:
    """The expected number of accepted tokens, exactly, over every draft and every coin."""
    total = 0.0
    for tokens in product(range(len(q[0])), repeat=len(q)):
        weight = 1.0
        for row, token in zip(q, tokens, strict=True):
            weight *= row[token]
        if weight:

            def judge(chance: EnumeratedChance, tokens: tuple[int, ...] = tokens) -> int:
                return len(rule.verify(Draft(tokens, dense(q)), dense(p), chance.round(0)).accepted)

            total += weight * sum(count * mass for count, mass in enumerate_law(judge).items())
    return total


def test_the_papers_toy_case() -> None:
    """Sun et al. 2025, section 3: p = (1/3, 2/3), q = (2/3, 1/3), gamma 2; tokens 10/9, block 11/9."""
    p, q = [[1 / 3, 2 / 3]] * 3, [[2 / 3, 1 / 3]] * 2
    assert mean_accepted(RejectionRule(), p, q) == pytest.approx(10 / 9, abs=1e-12)
    assert mean_accepted(BlockRule(), p, q) == pytest.approx(11 / 9, abs=1e-12)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("gamma", [1, 2, 3])
def test_never_fewer_tokens_than_the_token_rule(seed: int, gamma: int) -> None:
    """Theorem 2."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.softmax(1.5 * torch.randn(2 * gamma + 1, 3, generator=generator, dtype=torch.float64), dim=-1)
    p, q = rows[: gamma + 1].tolist(), rows[gamma + 1 :].tolist()
    assert mean_accepted(BlockRule(), p, q) >= mean_accepted(RejectionRule(), p, q) - 1e-12


@pytest.mark.parametrize("p", [[[1.0, 0.0]] * 3, [[0.5, 0.5]] * 3, [[0.0, 1.0], [0.3, 0.7], [1.0, 0.0]]])
def test_equal_rows_are_accepted_whole(p: Rows) -> None:
    assert mean_accepted(BlockRule(), p, p[:2]) == pytest.approx(2.0)
