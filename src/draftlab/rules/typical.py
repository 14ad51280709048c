"""Typical acceptance (Medusa: Cai et al. 2024, arXiv 2401.10774, section 2.3.1). Lossy: p is not kept."""

from __future__ import annotations

import math

from draftlab.types import Distributions, Draft, Rng, Verdict


class TypicalRule:
    """Accepts a token that the target finds typical: p(x) > min(epsilon, delta * exp(-entropy of p))."""

    lossless = False
    coupled = False

    def __init__(self, epsilon: float = 0.09, delta: float = 0.3) -> None:
        self.epsilon = epsilon
        self.delta = delta

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        accepted = 0
        for i, p_x in enumerate(p.probabilities(draft.tokens)):
            if p_x <= min(self.epsilon, self.delta * math.exp(-p[i].entropy())):
                break
            accepted += 1
        return Verdict(range(accepted), rng.draw(p[accepted], "target", accepted))
