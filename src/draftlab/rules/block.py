"""Block verification (Sun et al. 2025, ICLR, arXiv 2403.10444, Algorithm 2): judge the draft as a whole."""

from __future__ import annotations

from draftlab.distributions import odds, proposal
from draftlab.types import Distributions, Draft, Rng, Verdict


class BlockRule:
    """Keeps the longest prefix whose own coin says so; on average never fewer tokens than `rejection` (Theorem 2)."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        drafted = len(draft.tokens)
        joint = [1.0]  # P_i: how far the target's probability of the prefix covers the drafter's
        for ratio in odds(draft, p):
            joint.append(min(1.0, joint[-1] * ratio))
        if rng.accept(joint[drafted], drafted):
            return Verdict(range(drafted), rng.draw(p[drafted], "target", drafted))
        # Every prefix has a coin of its own. The longest that wins is kept, so the coins are tossed from the end.
        for n in range(drafted - 1, 0, -1):
            over = p[n].excess(q[n], joint[n])
            if rng.accept(over / (over + 1.0 - joint[n]) if over else float(joint[n] == 1.0), n):
                return Verdict(range(n), rng.draw(p[n].minus(q[n], joint[n]), "target", n))
        return Verdict((), rng.draw(p[0].minus(q[0]), "target", 0))
