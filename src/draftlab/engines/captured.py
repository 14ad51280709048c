"""A network whose every pass, and whose whole greedy draft, is one launch.

The passes run over a static cache, so that the same memory is used each time; which token stands where is read from
tensors on the device. On a CPU the same code runs step by step, which is how it is tested where there is no GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from draftlab.engines.launches import Launches
from draftlab.engines.static_cache import StaticNetwork
from draftlab.errors import ContractError, NonFiniteLogitsError

_ROOM = 1024  # tokens, at first; doubled whenever a text needs more
_NOT_FINITE = -1
_TOLERANCE = 0.05  # of the largest logit: how far rounding may move one in 16 bit


class CapturedModel(StaticNetwork):
    """Passes of up to `widest` tokens are launched as a whole; longer ones, prompts, step by step."""

    def __init__(self, network: Any, name: str, widest: int, say: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(network, name)
        self.widest = widest
        self._say = say
        self._launches = Launches(self._device, say)
        self._said_why = False
        self._expected: tuple[int, int, int | None] | None = None
        self._words = torch.empty(0, dtype=torch.long)  # where the pass starts, then its tokens: one copy a pass
        self._make_room(_ROOM)

    @property
    def captures(self) -> bool:
        """Whether launches are CUDA graphs."""
        return self._launches.captures

    def prepare(self, most_rows: int, most_drafted: int = 0, width: int | None = None) -> None:
        """Capture ahead of time what a run will launch, and check it against passes that are not captured.

        `most_rows` is the longest pass of a round, `most_drafted` the longest draft, `width` its `draft_greedily`'s.
        """
        self._expected = most_rows, most_drafted, width
        for count in range(1, most_rows + 1):
            self.reset()
            self.forward([0] * count)
            if most_drafted and count <= 2:  # the pending token, and after a full acceptance one more
                self.reset()
                self.forward([0] * count, 1)
        for count, num in product((1, 2), range(1, most_drafted + 1)):
            self.reset()
            self.draft_greedily([0] * count, num, width)
        self._check(most_rows, most_drafted, width)

    @torch.inference_mode()
    def _check(self, count: int, num: int, width: int | None) -> None:
        """A graph that does not do, at another place of a text, what was captured is not used."""
        if not self.captures:
            return
        found = []
        for captures in (True, False):
            self._launches.captures = captures
            self.reset()
            self.forward(self._sample(self.widest + 1), num_rows=1)
            rows = [self.forward(self._sample(count)).float()]
            if num:
                rows.append(torch.stack(self.draft_greedily(self._sample(1), num, width)[1]))
            found.append(torch.cat(rows))
        launched, stepped = found
        # A cut head has logits of -inf, which have no difference.
        launched, stepped = (rows.masked_fill(rows.isneginf(), 0.0) for rows in (launched, stepped))
        gap = float((launched - stepped).abs().max())
        self._launches.captures = gap <= _TOLERANCE * float(stepped.abs().max())
        if not self.captures:
            self._say(f"{self.name}: without CUDA graphs: their logits are up to {gap:.3g} off")
        self.reset()

    def _sample(self, count: int) -> list[int]:
        return [(37 * i + 11) % self.vocab_size for i in range(count)]

    def reset(self, capacity: int | None = None) -> None:
        self._forget_features()
        self._length = 0
        if capacity and capacity > self._capacity:
            self._make_room(capacity)
            if self._expected is not None and self.captures:  # now, and not when a round needs it
                self.prepare(*self._expected)

    @torch.inference_mode()
    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        count, keep = len(tokens), num_rows or len(tokens)
        self._write(tokens, count)
        self._length += count

        def work() -> Tensor:
            return self._run(self._words[0], self._words[1 : 1 + count], keep)

        if count <= self.widest and not self._taps:
            return self._launches.run((count, keep), work)
        if self._taps and self.captures and not self._said_why:
            self._said_why = True
            self._say(f"{self.name}: without CUDA graphs while hidden states are read, so its passes take longer then")
        logits = work()  # hooks that keep hidden states are Python, and a replay would not call them
        for tap in self._taps:
            tap.passed(count)
        return logits

    @torch.inference_mode()
    def draft_greedily(self, tokens: Sequence[int], num: int, width: int | None) -> tuple[list[int], list[Tensor]]:
        """Pass `tokens`, then the likeliest token, and so on: `num` tokens with their logits [vocab], in one launch.

        Only the first `width` of a row count. The last token of the draft is not passed, so it is not cached.
        """
        if self._taps:
            raise ContractError("hidden states cannot be kept while drafts are launched as a whole")
        if len(tokens) > self.widest:  # the text ran ahead; a graph for every distance would have no end
            self.forward(tokens[:-1], num_rows=1)
            tokens = tokens[-1:]
        count = len(tokens)
        self._write(tokens, count + num - 1)
        before = self._length
        self._length += count + num - 1
        rows = self._launches.run(("draft", count, num, width), lambda: self._chain(count, num, width))
        drafted = [int(token) for token in rows[:, 0].tolist()]  # the one look of the host
        if _NOT_FINITE in drafted:
            raise NonFiniteLogitsError(self.name, before + count + drafted.index(_NOT_FINITE))
        return drafted, list(rows[:, 1:].unbind())

    def _chain(self, count: int, num: int, width: int | None) -> Tensor:
        """[num, 1 + vocab] in float32, which holds any id exactly: each token, and the logits behind it."""
        place, ids = self._words[0], self._words[1 : 1 + count]
        rows = []
        for _ in range(num):
            logits = self._run(place, ids, 1)
            place = place + len(ids)
            best, ids = logits[:, :width].max(dim=-1)
            named = ids.masked_fill(~best.isfinite(), _NOT_FINITE)
            rows.append(torch.cat([named.float(), logits[0].float()]))
        return torch.stack(rows)

    def _write(self, tokens: Sequence[int], num_places: int) -> None:
        self._make_room(self._length + num_places)
        self._words[: 1 + len(tokens)].copy_(torch.tensor([self._length, *tokens]))

    def _make_room(self, needed: int) -> None:
        if needed <= self._capacity:
            return
        room = max(_ROOM, self._capacity)
        while room < needed:
            room *= 2
        if self.context_length is not None:  # no text is longer, and every pass reads all of it
            room = max(needed, min(room, self.context_length + self.widest))
        self._launches.forget()
        self._enlarge(room)
        self._words = torch.zeros(1 + room, dtype=torch.long, device=self._device)
