"""Sample the target's own token at every position, and keep the draft while it says the same.

Lossless whatever the draft is, since every token of the text is the target's own sample. With noise that belongs to
places of the text (`draftlab.chance.CoupledChance`) a sampled speculative text equals the sampled plain text of the
same seed.
"""

from __future__ import annotations

from draftlab.types import Distributions, Draft, Rng, Verdict


class CoupledRule:
    """With shared noise accepts with probability >= (1 - TV) / (1 + TV) (Daliri et al. 2024, arXiv 2408.07978)."""

    lossless = True
    coupled = True

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        for i, drafted in enumerate(draft.tokens):
            token = rng.draw(p[i], "target", i)
            if token != drafted:
                return Verdict(range(i), token)
        end = len(draft.tokens)
        return Verdict(range(end), rng.draw(p[end], "target", end))
