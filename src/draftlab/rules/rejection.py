"""Speculative sampling, token by token (Leviathan et al. 2023, arXiv 2211.17192, Algorithm 1 and Appendix A.1)."""

from __future__ import annotations

from draftlab.distributions import proposal
from draftlab.errors import ContractError
from draftlab.types import Distributions, Draft, Rng, Verdict


class RejectionRule:
    """Accept x with probability min(1, p(x) / q(x)); at the first rejection draw from norm(max(0, p - q))."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        drafted = len(draft.tokens)
        odds = zip(p.probabilities(draft.tokens), q.probabilities(draft.tokens), strict=True)
        for i, (p_x, q_x) in enumerate(odds):
            if q_x <= 0.0:
                raise ContractError(f"drafted token {draft.tokens[i]} at position {i} has probability 0 in its own q")
            if not rng.accept(min(1.0, p_x / q_x), i):
                return Verdict(range(i), rng.draw(p[i].minus(q[i]), "target", i))
        return Verdict(range(drafted), rng.draw(p[drafted], "target", drafted))
