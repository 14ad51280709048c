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


class Warper:
    """One resolved `Sampling`, applied to the logits of one model."""

    def __init__(self, sampling: Sampling, model: str, width: int | None = None) -> None:
        self.sampling = sampling
        self.model = model
        self.width = width
        """Logits beyond this are cut off before the softmax: a drafter's padding that the target does not have."""

    def __call__(self, logits: Tensor, prefix: Sequence[int], tail: Sequence[int]) -> Distributions:
        """Warp `logits` [n, vocab]; row i follows `prefix + tail[:i]`."""
        scores = self.scores(logits, prefix, tail)
        if self.sampling.temperature == 0.0:
            best, tokens = scores.max(dim=-1)  # a NaN is a maximum to torch, so one look at `best` finds it
            self._check(best.isfinite(), len(prefix))
            return PointMasses(tokens.tolist())
        # Shifted first, so that a tiny temperature cannot overflow.
        scores = (scores - scores.amax(dim=-1, keepdim=True)) / self.sampling.temperature
        mass = torch.softmax(_truncate(scores, self.sampling), dim=-1)
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
    """Set what top-k, top-p and min-p leave out to minus infinity; `scores` [n, vocab] are already tempered."""
    if 0 < sampling.top_k < scores.shape[-1]:
        least = torch.topk(scores, sampling.top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if sampling.top_p < 1.0:
        ordered, tokens = torch.sort(scores, descending=True, stable=True)
        mass = torch.softmax(ordered, dim=-1)
        # A token stays while the mass before it is below top_p, so the first always stays.
        out = (mass.cumsum(-1) - mass) >= sampling.top_p
        scores = scores.masked_fill(out.scatter(-1, tokens, out), -torch.inf)
    if sampling.min_p > 0.0:
        mass = torch.softmax(scores, dim=-1)
        scores = scores.masked_fill(mass < sampling.min_p * mass.amax(-1, keepdim=True), -torch.inf)
    return scores
