"""What a model drafts along a text, from one pass over it.

A drafter's draft depends on the text alone, so what it would have drafted at each place of the target's own text
follows from the teacher-forced pass, whatever the rounds were. The pass runs over many rows at once and rounds
differently from the passes over one row of a real draft: in float32 that decides next to nothing, in 16 bit and with
weights of 8 bits a near tie may fall the other way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from draftlab.chance import make_chance
from draftlab.drafters.model import ModelDrafter
from draftlab.tune.texts import Text
from draftlab.types import Distributions, LanguageModel, Rng, Warp

_CHUNK = 64
"""Rows of logits held at a time; a row may have 150,000 entries."""


@dataclass(frozen=True, slots=True)
class Path:
    """A drafter along a text. Entry j belongs to new token j, those behind a stop included."""

    accept: tuple[float, ...]
    """How probable it is that the text's token was drafted there and accepted, given the text; 0 or 1 if greedy."""
    sure: tuple[float, ...]
    """The drafter's probability of the text's token before warping."""
    own: tuple[float, ...]
    """Its probability, before warping, of the token that it would have drafted."""
    limits: tuple[int, ...]
    """The most tokens that it can draft in a round that starts there: its context may end, or it may lack an id."""


@dataclass(frozen=True, slots=True)
class Odds:
    """When sampling, the target's probability of each new token, after warping."""

    p: tuple[float, ...]


def follow(drafter: ModelDrafter, text: Text, odds: Odds | None, coupled: bool) -> Path:
    """One pass of `drafter` over `text`. `odds` are needed where tokens are drawn and noise is not shared.

    Given a text that was drawn from p, speculative sampling accepts its token y with probability min(1, q(y) / p(y)),
    for each place by itself: of the times that y is written there, this share was drafted and kept, and the rest are
    corrections. Weighing rounds with these is exact in expectation. (The product of the sums of min(p, q), as in
    HedgeSpec, arXiv 2510.20064, is close to it: accepted tokens are distributed by min(p, q) and not by p.)
    """
    num = _num_rows(drafter.model, text)
    chance = make_chance(text.seed, coupled)
    accept, sure, own = [], [], []
    for at, logits, rows in _rows(drafter.model, drafter.warp, text, num):
        scores = torch.log_softmax(logits if logits.dtype.itemsize >= 4 else logits.float(), dim=-1)
        for i in range(len(rows)):
            token, place = text.new[at + i], len(text.prompt) + at + i
            rng: Rng = chance.round(place, place)
            drafted = rng.draw(rows[i], "draft", 0)
            if odds is None:
                accept.append(float(drafted == token))
            else:
                p, q = odds.p[at + i], rows[i].probability(token)
                accept.append(min(1.0, q / p) if p > 0.0 else float(q > 0.0))  # 0 by rounding: it was drawn
            sure.append(_probability(scores[i], token))
            own.append(_probability(scores[i], drafted))
    rest = (0.0,) * (len(text.new) - num)  # an id that it lacks, or the end of its context: never drafted
    limits = _limits(drafter.model, text)
    return Path((*accept, *rest), (*sure, *rest), (*own, *rest), limits)


def odds_of(target: LanguageModel, warp: Warp, text: Text) -> Odds:
    """One pass of the target over a text that was drawn from it."""
    found: list[float] = []
    for at, _, rows in _rows(target, warp, text, len(text.new)):
        found += rows.probabilities(text.new[at : at + len(rows)])
    return Odds(tuple(found))


def _rows(model: LanguageModel, warp: Warp, text: Text, num: int) -> Iterator[tuple[int, Tensor, Distributions]]:
    """The raw and the warped rows that predict the first `num` new tokens, by chunks, each with its first place."""
    if not num:
        return
    before = text.prompt[:-1]
    model.reset(len(text.prompt) + num)
    if before:
        model.forward(before, num_rows=1)
    everything = text.prompt + text.new
    for at in range(0, num, _CHUNK):
        start, end = len(before) + at, len(before) + min(at + _CHUNK, num)
        logits = model.forward(everything[start:end])
        yield at, logits, warp(logits, everything[: start + 1], everything[start + 1 : end])


def _num_rows(model: LanguageModel, text: Text) -> int:
    """How many new tokens the drafter can be asked for."""
    limits = _limits(model, text)
    return next((i for i, most in enumerate(limits) if most == 0), len(limits))


def _limits(model: LanguageModel, text: Text) -> tuple[int, ...]:
    return tuple(_limit(model, text.prompt, text.new[:i]) for i in range(len(text.new)))


def _limit(model: LanguageModel, prompt: Sequence[int], new: Sequence[int]) -> int:
    if max((*prompt, *new)) >= model.vocab_size:
        return 0
    if model.context_length is None:
        return sys.maxsize
    return max(0, model.context_length - len(prompt) - len(new))


def _probability(scores: Tensor, token: int) -> float:
    return float(scores[token].exp()) if token < len(scores) else 0.0
