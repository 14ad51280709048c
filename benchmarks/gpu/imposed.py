"""Acceptance at a stated rate: random networks never agree, and it is the system that is to be measured."""

from __future__ import annotations

from draftlab.types import Distributions, Draft, Rng, Verdict


class ImposedAcceptance:
    """Accepts each drafted token with probability `rate`, whatever the target thinks of it. Never a rule for use."""

    lossless = False
    coupled = False

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        end = len(draft.tokens)
        kept = next((i for i in range(end) if not rng.accept(self.rate, i)), end)
        return Verdict(range(kept), rng.draw(p[kept], "target", kept))
