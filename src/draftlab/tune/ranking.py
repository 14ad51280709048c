"""Rounds and what they cost: predicted speed-ups with intervals, and the one that is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.optimize import brentq

from draftlab.metrics import tokens_per_round
from draftlab.stats import CONFIDENCE, Estimate, ratio_of_sums, win_probability

GIVEN_AWAY = 0.02
"""A simpler candidate is preferred where it loses no more than this share of speed, and nothing that is certain."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A drafter with a policy and a draft length, and what came of replaying it; one entry per prompt."""

    base: str
    """The drafter without the policy."""
    policy: str
    gamma: int
    ns: tuple[float, ...]
    rounds: tuple[float, ...]
    drafted: tuple[float, ...]
    accepted: tuple[float, ...]
    judged: tuple[float, ...]

    @property
    def drafter(self) -> str:
        """As it is written on the command line, policy included."""
        return self.base if self.policy == "fixed" else f"{self.base},{self.policy}"

    @property
    def kind(self) -> tuple[str, str]:
        """The drafter, and what ends its drafts, whatever the threshold."""
        return self.base, self.policy.partition("=")[0]

    @property
    def total_ns(self) -> float:
        return sum(self.ns)

    @property
    def simplicity(self) -> tuple[bool, int, float]:
        """Fixed lengths before policies, then shorter drafts; between equals the faster."""
        return (self.policy != "fixed", self.gamma, self.total_ns)

    def block_efficiency(self) -> Estimate:
        """Tokens per target pass."""
        return ratio_of_sums([a + r for a, r in zip(self.accepted, self.rounds, strict=True)], self.rounds)

    def acceptance_rate(self) -> Estimate:
        return ratio_of_sums(self.accepted, self.judged)


def speedup(plain_ns: Sequence[float], candidate: Candidate) -> Estimate:
    """Predicted time of plain decoding over that of the candidate, for the same tokens."""
    return ratio_of_sums(plain_ns, candidate.ns)


def choose(plain_ns: Sequence[float], candidates: Sequence[Candidate]) -> Candidate | None:
    """What to run: of those that pay, the simplest that is as good as the fastest; None where none pays.

    To pay is to be faster than plain decoding with the whole interval, or, where there are too few prompts for one, by
    the figure itself.
    """
    paying = [candidate for candidate in candidates if _pays(plain_ns, candidate)]
    if not paying:
        return None
    best = min(paying, key=lambda candidate: candidate.total_ns)
    good = [candidate for candidate in paying if _as_good(candidate, best)]
    return min(good, key=lambda candidate: candidate.simplicity)


def runner_up(plain_ns: Sequence[float], chosen: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """The best of another drafter or of another kind of policy; where none of them is faster than plain decoding, the
    next best that is."""
    candidates = [c for c in candidates if c != chosen and c.total_ns < sum(plain_ns)]
    others = [c for c in candidates if c.kind != chosen.kind]
    return min(others or candidates, key=lambda candidate: candidate.total_ns, default=None)


def _pays(plain_ns: Sequence[float], candidate: Candidate) -> bool:
    found = speedup(plain_ns, candidate)
    assert found.value is not None, "decoding takes time"
    return (found.value if found.low is None else found.low) > 1.0


def _as_good(candidate: Candidate, best: Candidate) -> bool:
    if candidate.total_ns > (1.0 + GIVEN_AWAY) * best.total_ns:
        return False
    wins = win_probability(best.ns, candidate.ns)
    return wins is None or wins < CONFIDENCE or candidate == best


def best_of_each(candidates: Sequence[Candidate]) -> list[Candidate]:
    """For each drafter and kind of policy the fastest, the fastest of all first."""
    found: dict[tuple[str, str], Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: c.total_ns):
        found.setdefault(candidate.kind, candidate)
    return list(found.values())


def break_even(gamma: int, cost: float) -> float | None:
    """The acceptance rate, each token accepted by itself, from which on drafts of `gamma` tokens pay.

    `cost` is that of such a round over that of a plain one. None where they never pay.
    """
    if cost > gamma + 1:
        return None
    if cost <= 1.0:
        return 0.0
    found: float = brentq(lambda alpha: tokens_per_round(alpha, gamma) - cost, 0.0, 1.0)
    return found
