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
_LONG = 2**16  # tokens from which on it pays to look by blocks
_BLOCK = 128  # tokens among which the best is found at once
_SMALL_BLOCK = 32  # the same where many of the best are asked for


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
            best, likeliest = _likeliest(scores)  # a NaN is a maximum to torch, so one look at `best` finds it
            tokens = likeliest.where(best.isfinite(), -1).tolist()  # one read of the device
            if -1 in tokens:
                raise NonFiniteLogitsError(self.model, len(prefix) + tokens.index(-1))
            return PointMasses(tokens)
        best = scores.amax(dim=-1, keepdim=True)
        self._check(best[:, 0].isfinite(), len(prefix))  # a row of -inf alone is as bad as a NaN
        if 0 < self.sampling.top_k < scores.shape[-1]:
            return Dense(_among_the_likeliest(scores, best, self.sampling).unbind())
        if scores.data_ptr() == logits.data_ptr():
            scores = scores.clone()  # those were the caller's; a copy that was made before may be written to
        return Dense(_truncate_(_temper_(scores, best, self.sampling), self.sampling).unbind())

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


def _likeliest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The largest of each row [n, vocab], and where it stands first: [n] each.

    A CPU takes ten times as long to find both at once as to find the largest alone. So the maxima of blocks come first,
    and places are looked for in one block, and in the few tokens after the last block.
    """
    num_rows, size = scores.shape
    if size < _LONG:
        found = scores.max(dim=-1)
        return found.values, found.indices
    num_blocks = size // _BLOCK
    blocks, rest = scores[:, : num_blocks * _BLOCK].reshape(num_rows, -1, _BLOCK), scores[:, num_blocks * _BLOCK :]
    best, block = blocks.amax(-1).max(dim=-1)
    within = blocks.gather(1, block[:, None, None].expand(-1, 1, _BLOCK))[:, 0].max(dim=-1).indices
    tokens = block * _BLOCK + within
    if not rest.shape[-1]:
        return best, tokens
    later, place = rest.max(dim=-1)
    tokens = tokens.where(later <= best, num_blocks * _BLOCK + place)
    return torch.maximum(best, later), tokens


def _highest(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The `width` largest of each row [n, vocab], from the largest on, and their places: [n, width] each.

    They are looked for in as many blocks alone, those with the largest maxima: what lies elsewhere is not larger.
    """
    num_rows, size = scores.shape
    num_blocks = size // _SMALL_BLOCK
    if size < _LONG or num_blocks < 4 * width:
        found = torch.topk(scores, width)
        return found.values, found.indices
    end = num_blocks * _SMALL_BLOCK
    maxima = scores[:, :end].reshape(num_rows, -1, _SMALL_BLOCK).amax(-1)
    starts = torch.topk(maxima, width, sorted=False).indices * _SMALL_BLOCK
    at = (starts[..., None] + torch.arange(_SMALL_BLOCK, device=scores.device)).flatten(1)
    at = torch.cat([at, torch.arange(end, size, device=scores.device).expand(num_rows, -1)], dim=-1)
    values, order = torch.topk(scores.gather(-1, at), width)
    return values, at.gather(-1, order)


def _temper_(scores: Tensor, best: Tensor, sampling: Sampling) -> Tensor:
    """`scores` at the temperature, in place; shifted first, so that a tiny one cannot overflow."""
    return scores.sub_(best).div_(sampling.temperature)


def _among_the_likeliest(scores: Tensor, best: Tensor, sampling: Sampling) -> Tensor:
    """The distribution [n, vocab] of untempered `scores`, made of the likeliest tokens; all others have 0.

    Top-k keeps what ties with the last of the k, so more of them are taken until the last one does not.
    """
    width = min(2 * sampling.top_k, scores.shape[-1])
    while True:
        found, tokens = _highest(scores, width)
        found = _temper_(found, best, sampling)
        least = found[:, sampling.top_k - 1 : sampling.top_k]
        if width == scores.shape[-1] or not (found[:, -1:] >= least).any():
            break
        width = min(8 * width, scores.shape[-1])
    if sampling.top_p < 1.0:  # which may cut between equal ones: they count in the order of their ids
        tokens, order = tokens.sort(-1)
        found, order = found.gather(-1, order).sort(dim=-1, descending=True, stable=True)
        tokens = tokens.gather(-1, order)
    mass = _exponentiate_(found.masked_fill_(found < least, -torch.inf))
    if sampling.top_p < 1.0:
        mass.masked_fill_(mass.cumsum(-1) - mass >= sampling.top_p, 0.0)
    return torch.zeros_like(scores).scatter_(-1, tokens, _without_the_least_(mass, sampling))


def _truncate_(scores: Tensor, sampling: Sampling) -> Tensor:
    """The distribution [n, vocab] of tempered `scores`, in their place, without what top-p and min-p leave out."""
    mass = _exponentiate_(scores)
    if sampling.top_p < 1.0:
        mass.masked_fill_(~_nucleus(mass, sampling.top_p), 0.0)
    return _without_the_least_(mass, sampling)


def _exponentiate_(scores: Tensor) -> Tensor:
    """The softmax of rows whose largest is 0, in place."""
    mass = scores.exp_()
    return mass.div_(mass.sum(-1, keepdim=True))


def _without_the_least_(mass: Tensor, sampling: Sampling) -> Tensor:
    """What min-p leaves of `mass`, and of what top-p has left, with a sum of 1 again; in place."""
    if sampling.min_p > 0.0:
        mass.masked_fill_(mass < sampling.min_p * mass.amax(-1, keepdim=True), 0.0)
    if sampling.top_p < 1.0 or sampling.min_p > 0.0:
        mass.div_(mass.sum(-1, keepdim=True))
    return mass


def _nucleus(mass: Tensor, top_p: float) -> Tensor:
    """Which tokens [n, vocab] stay: those before which, in falling order, less than `top_p` of the mass lies.

    Sorting a whole vocabulary takes longer than a small model's pass, so the likeliest tokens alone are looked at, more
    of them until what lies above their last holds enough. Equal tokens count in the order of their ids.
    """
    width = min(_LIKELIEST, mass.shape[-1])
    while True:
        found, tokens = _highest(mass, width)
        above = (found * (found > found[:, -1:])).sum(-1)
        if width == mass.shape[-1] or not (above < top_p).any():  # a NaN is not waited for
            break
        width = min(8 * width, mass.shape[-1])
    tokens = tokens.sort(-1).values
    found, order = mass.gather(-1, tokens).sort(dim=-1, descending=True, stable=True)
    stays = (found.cumsum(-1) - found) < top_p
    return torch.zeros_like(mass, dtype=torch.bool).scatter_(-1, tokens.gather(-1, order), stays)
