"""Which tokens the drafter's head has: those that the target uses most."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from draftlab.train.shards import Shards

_PROMPT, _SOURCE = 0.02, 0.02  # of what a token counts that the target wrote itself


def count_tokens(shards: Shards, texts: Iterable[list[int]], vocab_size: int) -> Tensor:
    """How often each token occurs, [vocab_size], by where it occurs."""
    counts = torch.zeros(vocab_size, dtype=torch.float64)
    for tokens, starts, ends, _ in shards.tokens(held_out=False):
        places = torch.arange(tokens.shape[1])
        written = (places >= starts[:, None]) & (places < ends[:, None])
        given = (places < starts[:, None]) & (ends[:, None] > 0)
        weights = 1.0 * written + _PROMPT * given
        counts.index_add_(0, tokens.flatten().long(), weights.flatten().double())
    for some in texts:
        counts.index_add_(0, torch.tensor(some), torch.full((len(some),), _SOURCE, dtype=torch.float64))
    return counts


def choose_tokens(counts: Tensor, num: int, always: Iterable[int]) -> Tensor:
    """The `num` most frequent ids and those of `always`, in rising order; equal counts by id."""
    num = min(num, len(counts))
    wanted = counts.clone()
    wanted[list(always)] = torch.inf
    order = torch.argsort(wanted, descending=True, stable=True)[:num]
    return order.sort().values
