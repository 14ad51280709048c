"""Why one category is accepted more than another: because its tokens are others, or because the same are accepted more.

The split is that of E. M. Kitagawa, "Components of a Difference Between Two Rates", Journal of the American Statistical
Association 50 (1955), 1168-1194; economists know it by the names of Oaxaca and Blinder. With shares s and rates r of
the groups k in the categories 1 and 2:

    r1 - r2 = sum_k (s1k - s2k) (r1k + r2k) / 2        mix: other groups
            + sum_k (r1k - r2k) (s1k + s2k) / 2        within: another rate in the same group

A group that one category lacks has the other's rate there: it belongs to the mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from draftlab.metrics import Counts
from draftlab.records import Arm
from draftlab.report.acceptance import ENTROPY_EDGES, entropy_bin, sums_by, token_class
from draftlab.report.judged import Judged, judged_tokens
from draftlab.report.reading import Run, categories
from draftlab.report.token_classes import CLASSES
from draftlab.stats import MIN_PROMPTS, Estimate, bootstrap

_Array = NDArray[Any]

_GROUPS: dict[Literal["entropy", "token_class"], tuple[int, Callable[[Judged], int]]] = {
    "entropy": (len(ENTROPY_EDGES) + 1, entropy_bin),
    "token_class": (len(CLASSES), token_class),
}


class WhyReport(BaseModel):
    """The acceptance rate of the first category less that of the second, over the tokens that were recorded."""

    drafter: str
    gamma: int
    draft_length: Literal["fixed", "auto", "server"]
    rule: str
    first: str
    second: str
    by: Literal["entropy", "token_class"]
    difference: Estimate
    mix: Estimate
    """What other shares of the groups make of it."""
    within: Estimate
    """What another acceptance within the groups makes of it."""


def explain(run: Run) -> list[WhyReport]:
    """Every pair of categories of each drafted arm, where both were recorded token by token."""
    found = []
    for arm in run.arms("drafted"):
        judged = {category: _judged(run, arm, category) for category in categories(run.manifest) if category != "all"}
        recorded = [category for category, prompts in judged.items() if any(prompts)]
        for first, second in combinations(recorded, 2):
            found += [_explain(arm, (first, second), (judged[first], judged[second]), by) for by in _GROUPS]
    return found


def _judged(run: Run, arm: Arm, category: str) -> list[list[Judged]]:
    return list(judged_tokens(run, arm, category).values())


def _explain(
    arm: Arm,
    names: tuple[str, str],
    judged: tuple[list[list[Judged]], list[list[Judged]]],
    by: Literal["entropy", "token_class"],
) -> WhyReport:
    difference, mix, within = decompose(*(sums_by(prompts, *_GROUPS[by]) for prompts in judged))
    return WhyReport(
        drafter=arm.drafter,
        gamma=arm.gamma,
        draft_length=arm.draft_length,
        rule=arm.rule,
        first=names[0],
        second=names[1],
        by=by,
        difference=difference,
        mix=mix,
        within=within,
    )


def decompose(first: Sequence[Sequence[Counts]], second: Sequence[Sequence[Counts]]) -> tuple[Estimate, ...]:
    """Difference, mix and within of two categories, from the counts of each group, prompt by prompt.

    The prompts of both are drawn together: in the columns of one category, a prompt of the other is 0.
    """
    before, after = [0.0] * len(first[0]), [0.0] * len(second[0])
    columns = [[*column, *after] for column in _columns(first)] + [[*before, *column] for column in _columns(second)]
    enough = min(_num_prompts(first), _num_prompts(second)) >= MIN_PROMPTS
    return tuple(bootstrap(columns, _kitagawa, with_interval=enough))


def _columns(groups: Sequence[Sequence[Counts]]) -> list[list[float]]:
    """Accepted of each group, then judged of each, prompt by prompt."""
    return [[float(c.accepted) for c in g] for g in groups] + [[float(c.judged) for c in g] for g in groups]


def _num_prompts(groups: Sequence[Sequence[Counts]]) -> int:
    """Those that have a judged token."""
    return sum(any(c.judged for c in prompt) for prompt in zip(*groups, strict=True))


def _kitagawa(*sums: _Array) -> tuple[_Array, ...]:
    """`sums`: accepted of each group, then judged, of the first category; then those of the second."""
    accepted1, judged1, accepted2, judged2 = np.split(np.asarray(sums), 4)  # each [groups, ...]
    share1, share2 = judged1 / judged1.sum(axis=0), judged2 / judged2.sum(axis=0)
    rate1, rate2 = accepted1 / judged1, accepted2 / judged2
    rate1, rate2 = np.where(judged1 > 0, rate1, rate2), np.where(judged2 > 0, rate2, rate1)
    # A group that neither has adds nothing; a resample without a token of one category is no number, and left out.
    seen = judged1 + judged2 > 0
    mix = np.where(seen, (share1 - share2) * (rate1 + rate2) / 2, 0.0).sum(axis=0)
    within = np.where(seen, (rate1 - rate2) * (share1 + share2) / 2, 0.0).sum(axis=0)
    empty = (judged1.sum(axis=0) == 0) | (judged2.sum(axis=0) == 0)
    return tuple(np.where(empty, np.nan, part) for part in (mix + within, mix, within))
