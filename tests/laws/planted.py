"""Bugs that really shipped somewhere, planted on purpose: a test that passes them proves nothing."""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.distributions import join, odds, proposal
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


class TokenRule:
    """The token rule with two places for a bug: which coin is tossed, and what a correction is drawn from."""

    lossless = True
    coupled = False

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        for i, ratio in enumerate(odds(draft, p)):
            if not rng.accept(min(1.0, ratio), self.coin(i)):
                return Verdict(range(i), self.correct(p[i], q[i], rng, i))
        end = len(draft.tokens)
        return Verdict(range(end), rng.draw(p[end], "target", end))

    def coin(self, i: int) -> int:
        return i

    def correct(self, p: Row, q: Row, rng: Rng, i: int) -> int:
        return rng.draw(p.minus(q), "target", i)


class ResidualFromP(TokenRule):
    """After a rejection draws from p itself instead of norm(max(0, p - q))."""

    def correct(self, p: Row, q: Row, rng: Rng, i: int) -> int:
        return rng.draw(p, "target", i)


class OneCoin(TokenRule):
    """The same coin at every position: a generator that is seeded again inside the accept loop (feifeibear)."""

    def coin(self, i: int) -> int:
        return 0


class DraftNoiseForCorrection(TokenRule):
    """The draw that made the draft makes the correction as well (vLLM #54282)."""

    def correct(self, p: Row, q: Row, rng: Rng, i: int) -> int:
        return rng.draw(p.minus(q), "draft", i)


class SameChanceEveryRound:
    """Draws keyed without the round: what an earlier round was conditioned on is used again."""

    def __init__(self, inner: Chance) -> None:
        self._inner = inner

    def round(self, index: int, length: int = 0) -> Rng:
        return self._inner.round(0, length)
