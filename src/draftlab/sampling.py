"""From logits to the distributions that are really sampled from; the only softmax in draftlab.

The transforms and their order are those of transformers' `generate`: repetition penalty (Keskar et al. 2019),
temperature, top-k, top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024). Each row is warped with its own true
prefix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from draftlab.distributions import Dense, PointMasses
from draftlab.errors import NonFiniteLogitsError
from draftlab.spec import Sampling
from draftlab.types import Distributions

_LIKELIEST = 256  # tokens in which a nucleus is looked for first


class Warper:
    """One resolved `Sampling`, applied to the logits of one model."""

    def __init__(self, sampling: Sampling, model: str, width: int | None = None) -> None:
        self.sampling = sampling
        self.model = model
        self.width = width
        """Logits beyond this are cut off before the softmax: a drafter's padding that the target does not have."""

    @property
    def is_argmax(self) -> bool:
        """Whether a row's likeliest token is all that matters, whatever the text before it."""
        return self.sampling.temperature == 0.0 and self.sampling.repetition_penalty == 1.0

    def __call__(self, logits: Tensor, prefix: Sequence[int], tail: Sequence[int]) -> Distributions:
        """Warp `logits` [n, vocab]; row i follows `prefix + tail[:i]`."""
        scores = self.scores(logits, prefix, tail)
        if self.sampling.temperature == 0.0:
            best, likeliest = scores.max(dim=-1)  # a NaN is a maximum to torch, so one look at `best` finds it
            tokens = likeliest.where(best.isfinite(), -1).tolist()  # one read of the device
            if -1 in tokens:
                raise NonFiniteLogitsError(self.model, len(prefix) + tokens.index(-1))
            return PointMasses(tokens)
        # Shifted first, so that a tiny temperature cannot overflow.
        scores = (scores - scores.amax(dim=-1, keepdim=True)) / self.sampling.temperature
        mass = _truncate(scores, self.sampling)
        self._check(mass[:, 0].isfinite(), len(prefix))  # one bad logit makes its whole row NaN
        return Dense(mass.unbind())

    def scores(self, logits: Tensor, prefix: Sequence[int], tail: Sequence[int]) -> Tensor:
        """The penalised logits [n, vocab] in float32 or better, whose largest is the greedy token."""
        scores = logits[:, : self.width]
        if scores.dtype not in (torch.float32, torch.float64):
            scores = scores.float()
        if self.sampling.repetition_penalty != 1.0:
            scores = _penalise(scores, prefix, tail, self.sampling.repetition_penalty)
        return scores

    def _check(self, finite: Tensor, position: int) -> None:
        if not finite.all():
            row = int(finite.logical_not().nonzero()[0])
            raise NonFiniteLogitsError(self.model, position + row)


def over_vocabulary(logits: Tensor, tokens: Tensor, vocab_size: int) -> Tensor:
    """Logits [..., n] of `tokens` [n] as rows over all tokens; the others have -inf and cannot be drawn."""
    whole = logits.new_full((*logits.shape[:-1], vocab_size), -torch.inf)
    return whole.index_copy_(-1, tokens, logits)


def _penalise(scores: Tensor, prefix: Sequence[int], tail: Sequence[int], penalty: float) -> Tensor:
    """Divide positive and multiply negative scores of the tokens that a row's text already holds."""
    scores = scores.clone()
    seen = set(prefix)
    for row, token in zip(scores, (None, *tail), strict=False):
        if token is not None:
            seen.add(token)
        at = torch.tensor([t for t in seen if t < len(row)], device=scores.device)
        held = row[at]
        row[at] = torch.where(held < 0, held * penalty, held / penalty)
    return scores


def _truncate(scores: Tensor, sampling: Sampling) -> Tensor:
    """The distribution [n, vocab] of tempered `scores`, without what top-k, top-p and min-p leave out."""
    if 0 < sampling.top_k < scores.shape[-1]:
        least = torch.topk(scores, sampling.top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    mass = torch.softmax(scores, dim=-1)
    if sampling.top_p < 1.0:
        mass = mass.where(_nucleus(mass, sampling.top_p), 0.0)
    if sampling.min_p > 0.0:
        mass = mass.where(mass >= sampling.min_p * mass.amax(-1, keepdim=True), 0.0)
    if sampling.top_p < 1.0 or sampling.min_p > 0.0:
        mass = mass / mass.sum(-1, keepdim=True)
    return mass


def _nucleus(mass: Tensor, top_p: float) -> Tensor:
    """Which tokens [n, vocab] stay: those before which, in falling order, less than `top_p` of the mass lies.

    Sorting a whole vocabulary takes longer than a small model's pass, so the likeliest tokens alone are looked at, more
    of them until what lies above their last holds enough. Equal tokens count in the order of their ids.
    """
    width = min(_LIKELIEST, mass.shape[-1])
    while True:
        found, tokens = torch.topk(mass, width)
        above = (found * (found > found[:, -1:])).sum(-1)
        if width == mass.shape[-1] or not (above < top_p).any():  # a NaN is not waited for
            break
        width = min(8 * width, mass.shape[-1])
    tokens = tokens.sort(-1).values
    found, order = mass.gather(-1, tokens).sort(dim=-1, descending=True, stable=True)
    stays = (found.cumsum(-1) - found) < top_p
    return torch.zeros_like(mass, dtype=torch.bool).scatter_(-1, tokens.gather(-1, order), stays)
