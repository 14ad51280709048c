"""Speculative sampling, token by token (Leviathan et al. 2023, arXiv 2211.17192, Algorithm 1 and Appendix A.1)."""

from __future__ import annotations

from draftlab.distributions import odds, proposal
from draftlab.types import Distributions, Draft, Rng, Verdict


class RejectionRule:
    """Accept x with probability min(1, p(x) / q(x)); at the first rejection draw from norm(max(0, p - q))."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        for i, ratio in enumerate(odds(draft, p)):
            if not rng.accept(min(1.0, ratio), i):
                return Verdict(range(i), rng.draw(p[i].minus(q[i]), "target", i))
        end = len(draft.tokens)
        return Verdict(range(end), rng.draw(p[end], "target", end))
