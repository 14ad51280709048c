"""Bugs that really shipped somewhere, planted on purpose: a test that passes them proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.distributions import join, proposal
from draftlab.drafters.model import ModelDrafter
from draftlab.types import Chance, Distributions, Draft, LanguageModel, Rng, Row, Verdict, Warp


class RawQ(ModelDrafter):
    """Draws from the warped q and reports another one (transformers #47932)."""

    def __init__(self, model: LanguageModel, warp: Warp, raw: Warp) -> None:
        super().__init__(model, warp)
        self._raw = raw

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        draft = super().propose(tokens, limit, rng)
        length = self.model.length
        rows = []
        for i in range(len(draft.tokens)):
            text = [*tokens, *draft.tokens[:i]]
            self.model.reset()
            rows.append(self._raw(self.model.forward(text, num_rows=1), text, ())[0])
        if rows:
            self.model.rollback(length)
        return Draft(draft.tokens, join(rows)) if rows else draft


class ArgmaxWithSoftQ(ModelDrafter):
    """Drafts the likeliest token and reports the soft distribution (jaymody/speculative-sampling #3)."""

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        return super().propose(tokens, limit, _Likeliest())


class _Likeliest:
    def draw(self, row: Row, purpose: str, position: int) -> int:
        return max(row.support(), key=lambda pair: pair[1])[0]

    def accept(self, probability: float, position: int) -> bool:
        raise AssertionError("a drafter tosses no coins")


class ResidualFromP:
    """After a rejection draws from p itself instead of norm(max(0, p - q))."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        odds = zip(p.probabilities(draft.tokens), q.probabilities(draft.tokens), strict=True)
        for i, (p_x, q_x) in enumerate(odds):
            if not rng.accept(min(1.0, p_x / q_x), i):
                return Verdict(range(i), rng.draw(p[i], "target", i))
        return Verdict(range(len(draft.tokens)), rng.draw(p[len(draft.tokens)], "target", len(draft.tokens)))


class OneCoin:
    """The same coin at every position: a generator that is seeded again inside the accept loop (feifeibear)."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        odds = zip(p.probabilities(draft.tokens), q.probabilities(draft.tokens), strict=True)
        for i, (p_x, q_x) in enumerate(odds):
            if not rng.accept(min(1.0, p_x / q_x), 0):
                return Verdict(range(i), rng.draw(p[i].minus(q[i]), "target", i))
        return Verdict(range(len(draft.tokens)), rng.draw(p[len(draft.tokens)], "target", len(draft.tokens)))


class DraftNoiseForCorrection:
    """The draw that made the draft makes the correction as well (vLLM #54282)."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        odds = zip(p.probabilities(draft.tokens), q.probabilities(draft.tokens), strict=True)
        for i, (p_x, q_x) in enumerate(odds):
            if not rng.accept(min(1.0, p_x / q_x), i):
                return Verdict(range(i), rng.draw(p[i].minus(q[i]), "draft", i))
        return Verdict(range(len(draft.tokens)), rng.draw(p[len(draft.tokens)], "target", len(draft.tokens)))


class SameChanceEveryRound:
    """Draws keyed without the round: what an earlier round was conditioned on is used again."""

    def __init__(self, inner: Chance) -> None:
        self._inner = inner

    def round(self, index: int, length: int = 0) -> Rng:
        return self._inner.round(0, length)
