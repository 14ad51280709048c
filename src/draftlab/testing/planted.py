"""Bugs that really shipped somewhere, planted on purpose: the negative controls of every check of losslessness.

A check that passes them proves nothing. `PLANTED` names them; each makes a decoder with the bug from an honest one, and
leaves that one as it is, apart from the cache of the draft model, which both share and which every text resets. At
temperature 0 a bug of the law mostly hides, since p is then a point mass and its residual is p itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from torch import Tensor

from draftlab.decoding import Decoder
from draftlab.distributions import DenseRow, join, odds, proposal
from draftlab.drafters.model import ModelDrafter
from draftlab.errors import DraftlabError
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.types import Chance, Distributions, Draft, LanguageModel, Purpose, Rng, Round, Row, Verdict, Warp


def _honest(chance: Chance) -> Chance:
    return chance


@dataclass(frozen=True)
class PlantedBug:
    """One bug: what it is, where it comes from, and how to get a decoder that has it."""

    title: str
    origin: str
    """Where it shipped; where it is not known to have, what that says."""
    needs_q: bool
    """It shows only where the drafter is a `ModelDrafter`, whose drafts carry a soft q."""
    breaks: Literal["law", "cost"]
    """`law`: texts have another distribution. `cost`: the right one, but fewer tokens are accepted than should be."""
    plant: Callable[[Decoder], Decoder]
    chance: Callable[[Chance], Chance] = _honest
    """Wraps the chance of a decode, for a bug that lives there."""


class RawQ(ModelDrafter):
    """Draws from the warped q and reports the one before warping (transformers #47932).

    Nothing is wrong where warping changes nothing: temperature 1 without truncation or penalty.
    """

    def __init__(self, model: LanguageModel, warp: Warper) -> None:
        self._both = _BothWarps(warp)
        super().__init__(model, self._both)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        self._both.raw.clear()
        draft = super().propose(tokens, limit, rng)
        return replace(draft, q=join(self._both.raw)) if draft.tokens else draft


class _BothWarps:
    """Warps, and notes what the rows are without."""

    def __init__(self, warp: Warper) -> None:
        self.raw: list[Row] = []
        self._warp = warp
        self._neutral = Warper(Sampling(temperature=1.0), warp.model, warp.width)

    def __call__(self, logits: Tensor, prefix: Sequence[int], tail: Sequence[int]) -> Distributions:
        self.raw.append(self._neutral(logits, prefix, tail)[0])
        return self._warp(logits, prefix, tail)


class ArgmaxWithSoftQ(ModelDrafter):
    """Drafts the likeliest token and reports the soft distribution (jaymody/speculative-sampling #3)."""

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        return super().propose(tokens, limit, _Likeliest())


class _Likeliest:
    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        return row.race(np.ones)  # where all times are equal, the greatest probability wins

    def accept(self, probability: float, position: int) -> bool:
        raise AssertionError("a drafter tosses no coins")


class StaleDraftCache(ModelDrafter):
    """After a full acceptance goes on as if its cache held the last drafted token (TensorRT-LLM #5285).

    That token was drawn but never passed, so from then on the cache is one token behind what the drafter takes it for,
    with every full acceptance one more. q is still what was drawn from, and the law is kept; it is only a bad guess.
    """

    def __init__(self, model: LanguageModel, warp: Warp) -> None:
        self._overrated = _OverratedCache(model)
        super().__init__(self._overrated, warp)

    def observe(self, outcome: Round) -> None:
        super().observe(outcome)
        if 0 < outcome.num_drafted == outcome.num_accepted:
            self._overrated.lacking += 1


class _OverratedCache:
    """A model that counts `lacking` tokens more than it has."""

    def __init__(self, model: LanguageModel) -> None:
        self.lacking = 0
        self._model = model
        self.name = model.name
        self.vocab_size = model.vocab_size
        self.context_length = model.context_length

    @property
    def length(self) -> int:
        return self._model.length + self.lacking

    def reset(self, capacity: int | None = None) -> None:
        self.lacking = 0
        self._model.reset(capacity)

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        return self._model.forward(tokens, num_rows)

    def rollback(self, length: int) -> None:
        self._model.rollback(length - self.lacking)


class TokenRule:
    """The token rule, honest, with two places for a bug: which coin is tossed, and how a correction is drawn."""

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


class TokenRuleAsBlock(TokenRule):
    """Says that it is block verification and judges token by token (vLLM-Ascend #7807)."""


class OneCoin(TokenRule):
    """The same coin at every position: a generator seeded again inside the accept loop (feifeibear's `--seed`)."""

    def coin(self, i: int) -> int:
        return 0


class DraftNoiseForCorrection(TokenRule):
    """The draw that made the draft makes the correction as well (vLLM #54282)."""

    def correct(self, p: Row, q: Row, rng: Rng, i: int) -> int:
        return rng.draw(p.minus(q), "draft", i)


class ResidualFromP(TokenRule):
    """After a rejection draws from p itself instead of norm(max(0, p - q)) (Spec-RL #14)."""

    def correct(self, p: Row, q: Row, rng: Rng, i: int) -> int:
        return rng.draw(p, "target", i)


class ResidualWarpedAgain(TokenRule):
    """Passes the residual through temperature and truncation a second time, as if it were raw.

    At temperature 1 without truncation it does nothing. The penalty is left out: a correction does not see the text.
    """

    def __init__(self, warp: Warper) -> None:
        sampling = warp.sampling.model_copy(update={"repetition_penalty": 1.0})
        self._again = Warper(sampling, warp.model)

    def correct(self, p: Row, q: Row, rng: Rng, i: int) -> int:
        residual = p.minus(q)
        if isinstance(residual, DenseRow):  # a point mass stays what it is
            residual = self._again(residual.mass.log()[None], (), ())[0]
        return rng.draw(residual, "target", i)


class SameChanceEveryRound:
    """Draws keyed without the round: what an earlier round was conditioned on is used again."""

    def __init__(self, inner: Chance) -> None:
        self._inner = inner

    def round(self, index: int, length: int = 0) -> Rng:
        return self._inner.round(0, length)


def _rule(rule: type[TokenRule]) -> Callable[[Decoder], Decoder]:
    return lambda decoder: replace(decoder, rule=rule())


def _drafter(kind: Callable[[LanguageModel, Warper], ModelDrafter]) -> Callable[[Decoder], Decoder]:
    def plant(decoder: Decoder) -> Decoder:
        if not isinstance(decoder.drafter, ModelDrafter):
            raise DraftlabError(f"this bug lives in a model drafter, not in a {type(decoder.drafter).__name__}")
        return replace(decoder, drafter=kind(decoder.drafter.model, _warper(decoder.drafter.warp)))

    return plant


def _warper(warp: Warp) -> Warper:
    if not isinstance(warp, Warper):
        raise DraftlabError(f"this bug needs the settings of a Warper, and a {type(warp).__name__} does not show them")
    return warp


PLANTED: Mapping[str, PlantedBug] = {
    "raw_q": PlantedBug(
        "q is reported as it was before temperature and truncation", "transformers #47932", True, "law", _drafter(RawQ)
    ),
    "argmax_with_soft_q": PlantedBug(
        "the likeliest token is drafted, and a soft q reported",
        "jaymody/speculative-sampling #3",
        True,
        "law",
        _drafter(ArgmaxWithSoftQ),
    ),
    "reused_draw": PlantedBug(
        "the draw that made the draft makes the correction too",
        "vLLM #54282",
        True,
        "law",
        _rule(DraftNoiseForCorrection),
    ),
    "residual_from_p": PlantedBug(
        "a correction is drawn from p, not from the residual", "Spec-RL #14", False, "law", _rule(ResidualFromP)
    ),
    "residual_warped_again": PlantedBug(
        "temperature and truncation are applied to the residual again",
        "akin to transformers #28508, a softmax over the residual",
        False,
        "law",
        lambda decoder: replace(decoder, rule=ResidualWarpedAgain(_warper(decoder.warp))),
    ),
    "token_rule_as_block": PlantedBug(
        "block verification that judges token by token", "vLLM-Ascend #7807", True, "cost", _rule(TokenRuleAsBlock)
    ),
    "stale_draft_cache": PlantedBug(
        "after a full acceptance the draft cache lacks a token, unnoticed",
        "TensorRT-LLM #5285",
        True,
        "cost",
        _drafter(StaleDraftCache),
    ),
    "equal_coins": PlantedBug(
        "the same acceptance coin at every position",
        "feifeibear/LLMSpeculativeSampling, --seed",
        False,
        "law",
        _rule(OneCoin),
    ),
    "same_chance_every_round": PlantedBug(
        "the same random numbers in every round",
        "none known",
        False,
        "law",
        lambda decoder: decoder,
        SameChanceEveryRound,
    ),
}
