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
from tests.laws import toys
from tests.laws.toys import SAMPLINGS, TWO, Widths

Rows = list[list[float]]


def dense(rows: Rows) -> Dense:
    return Dense(torch.tensor(rows, dtype=torch.float64).unbind())


def mean_accepted_of_a_round(rule: VerificationRule, p: Rows, q: Rows) -> float:
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
    assert mean_accepted_of_a_round(RejectionRule(), p, q) == pytest.approx(10 / 9, abs=1e-12)
    assert mean_accepted_of_a_round(BlockRule(), p, q) == pytest.approx(11 / 9, abs=1e-12)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("gamma", [1, 2, 3])
def test_never_fewer_tokens_than_the_token_rule(seed: int, gamma: int) -> None:
    """Theorem 2."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.softmax(1.5 * torch.randn(2 * gamma + 1, 3, generator=generator, dtype=torch.float64), dim=-1)
    p, q = rows[: gamma + 1].tolist(), rows[gamma + 1 :].tolist()
    assert mean_accepted_of_a_round(BlockRule(), p, q) >= mean_accepted_of_a_round(RejectionRule(), p, q) - 1e-12


@pytest.mark.parametrize("p", [[[1.0, 0.0]] * 3, [[0.5, 0.5]] * 3, [[0.0, 1.0], [0.3, 0.7], [1.0, 0.0]]])
def test_equal_rows_are_accepted_whole(p: Rows) -> None:
    assert mean_accepted_of_a_round(BlockRule(), p, p[:2]) == pytest.approx(2.0)


@pytest.mark.parametrize("sampling", ["t1", "t.7-k2", "t1.3-p.8", "t1-minp.3", "t1-penalty"])
@pytest.mark.parametrize(
    ("gamma", "sizes", "num_tokens"),
    [(1, Widths(), 4), (2, Widths(), 4), (1, TWO, 6), (2, TWO, 6), (3, TWO, 5), (4, TWO, 5)],
    ids=lambda value: f"{value.target}-tokens" if isinstance(value, Widths) else str(value),
)
def test_never_fewer_tokens_over_whole_texts(gamma: int, sizes: Widths, num_tokens: int, sampling: str) -> None:
    """What one round gains, those after it do not lose: accepted tokens and rounds add up to the length of a text."""
    settings, accepted = SAMPLINGS[sampling], {}
    for rule in ("block", "rejection"):
        drafter = toys.build("model", settings, sizes)
        subject = toys.decoder(drafter, settings, gamma, rule=rule, stop=frozenset(), widths=sizes)
        law = toys.law_of_rounds(subject, num_tokens)
        accepted[rule] = toys.mean_accepted(law)
        mean_rounds = sum(mass * len(rounds) for rounds, mass in law.items())
        assert accepted[rule] + mean_rounds == pytest.approx(num_tokens)
    assert accepted["block"] >= accepted["rejection"] - 1e-12
