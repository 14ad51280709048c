"""One shape for every pass, so that plain and speculative decoding round alike: the exact mode.

In 16 bit a pass over n rows rounds differently from a pass over one, because kernels change the order of their sums
with the shape. Here every pass after the prompt runs the same number of rows against a masked cache of one length;
rows that no token needs are dummies, whose entries are overwritten. A row's result does not depend on the row index
at which it stands or on what stands beside it, so the logits of a token are the same bit for bit in whatever block it
is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from draftlab.engines.static_cache import StaticNetwork
from draftlab.errors import ContractError, UnsupportedError

_GRAIN = 256  # cache lengths are multiples of this, so that one allocation serves many prompts
_DUMMY = 0
_LONG = 1024  # tokens: a long text, for the check at load


class FixedShapeModel(StaticNetwork):
    """A model whose passes all have `width` rows. The prompt is one pass of its own, the same for all arms."""

    def __init__(self, network: Any, name: str, width: int) -> None:
        super().__init__(network, name)
        self.width = width

    def reset(self, capacity: int | None = None) -> None:
        needed = (capacity or self.context_length or 4096) + self.width
        rounded = -(-needed // _GRAIN) * _GRAIN
        if rounded != self._capacity:
            self._allocate(rounded)
        self._length = 0

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        if self._length == 0 and len(tokens) > self.width:
            return self._pass(tokens, len(tokens), num_rows or len(tokens))
        starts = range(0, len(tokens), self.width)
        logits = torch.cat([self._pass(tokens[at : at + self.width], self.width) for at in starts])
        return logits if num_rows is None else logits[-num_rows:]

    def _pass(self, tokens: Sequence[int], num_rows: int, num_logits: int | None = None) -> Tensor:
        """Run `tokens` and dummies, `num_rows` rows in all; the logits of the tokens, or of the last `num_logits`."""
        start = self._length
        if start + num_rows > self._capacity:
            raise ContractError(f"{start + num_rows} rows do not fit into a cache of {self._capacity}")
        ids = [*tokens, *[_DUMMY] * (num_rows - len(tokens))]
        words = torch.tensor([start, *ids], device=self._device)
        logits = self._run(words[0], words[1:], num_logits or num_rows)
        self._length = start + len(tokens)
        return logits[: len(tokens)]


def require_exact(model: FixedShapeModel) -> None:
    """Raise unless the same tokens, scored one by one and several at a time, have the same logits bit for bit."""
    tokens = [(37 * i + 11) % model.vocab_size for i in range(3 * model.width + 1)]
    prompt, rest = tokens[: model.width + 1], tokens[model.width + 1 :]
    limit = model.context_length or _LONG
    gap = 0.0
    for capacity in {len(tokens), max(len(tokens), min(limit, _LONG))}:  # kernels may change with the cache's length
        logits = []
        for rows in (1, 2, model.width):
            model.reset(capacity)
            model.forward(prompt, num_rows=1)
            logits.append(torch.cat([model.forward(rest[at : at + rows]) for at in range(0, len(rest), rows)]))
        gap = max(gap, *(float((other.double() - logits[0].double()).abs().max()) for other in logits[1:]))
    model.reset(len(tokens))
    if gap > 0.0:
        raise UnsupportedError(
            f"'{model.name}' cannot keep the promise of --exact here: the same tokens in other blocks "
            f"have logits up to {gap:.3g} apart",
            "Leave --exact out; differences are then recorded where they occur.",
        )
