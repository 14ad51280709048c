"""A language model that remembers its rows: thousands of samples of one prompt share nearly all of their prefixes.

What is audited stays what it is (the loop, the rule, the warping, the drafter); only a pass over tokens that were
passed before in the same order is answered from memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from draftlab.audit.law import Text
from draftlab.errors import ContractError
from draftlab.types import LanguageModel

_BUDGET = 2**30  # bytes of remembered rows; the oldest are forgotten
_NEAR = 12  # tokens that are passed again rather than giving up the start that many samples share


class RowMemory:
    """The logits of a model after every text that it has seen, shared by all that decode with this model."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self._held: Text = ()  # what the model has cached,
        self._settled = 0  # of which it may be rolled back to no less than this
        self._rows: OrderedDict[Text, Tensor] = OrderedDict()

    def rows(self, text: Text, num_rows: int) -> Tensor:
        """The logits [num_rows, vocab] of the last `num_rows` tokens of `text`."""
        prefixes = [text[: len(text) - back] for back in range(num_rows - 1, -1, -1)]
        if not all(prefix in self._rows for prefix in prefixes):
            self._compute(prefixes)
        for prefix in prefixes:
            self._rows.move_to_end(prefix)
        return torch.stack([self._rows[prefix] for prefix in prefixes])

    def fresh(self, *passes: Sequence[int]) -> Tensor:
        """The logits [vocab] after `passes`, from an empty cache: they owe nothing to memory or rollback."""
        self.model.reset()
        for tokens in passes:
            logits = self.model.forward(tokens, num_rows=1)
        self.model.reset()
        self.forget_cache()
        return logits[-1]

    def forget_cache(self) -> None:
        """Somebody else has used the model: what it has cached is unknown. Remembered rows stay true."""
        self._held, self._settled = (), 0

    def _compute(self, prefixes: Sequence[Text]) -> None:
        text = prefixes[-1]
        self._return_to(_common(self._held, prefixes[0][:-1]), len(text))
        rows = self.model.forward(text[len(self._held) :], num_rows=len(prefixes))
        self._held = text
        for prefix, row in zip(prefixes, rows, strict=True):
            self._rows[prefix] = row.clone()
            self._rows.move_to_end(prefix)
        row_bytes = rows[0].numel() * rows.element_size()
        while len(self._rows) > max(_BUDGET // row_bytes, len(prefixes)):
            self._rows.popitem(last=False)

    def _return_to(self, shared: int, wanted: int) -> None:
        """Take back what the model holds beyond the `shared` tokens, on the way to a text of `wanted` tokens."""
        if shared < self._settled or not self._held:
            self.model.reset()
            self.forget_cache()
        elif shared < len(self._held):
            start = self._settled if 0 < wanted - self._settled <= _NEAR else shared
            self.model.rollback(start)
            self._held, self._settled = self._held[:start], start
        # Else it goes on where it stands.


class Memories:
    """The memory of every model of an audit."""

    def __init__(self) -> None:
        self._found: dict[int, RowMemory] = {}

    def of(self, model: LanguageModel) -> RowMemory:
        """The memory of `model`, the same for all that ask."""
        return self._found.setdefault(id(model), RowMemory(model))

    def wrap(self, model: LanguageModel) -> RememberedModel:
        """`model` behind its memory."""
        return RememberedModel(self.of(model))


class RememberedModel:
    """A model behind its memory; several may share one memory, and each counts its own tokens."""

    def __init__(self, memory: RowMemory) -> None:
        self._memory = memory
        self.name = memory.model.name
        self.vocab_size = memory.model.vocab_size
        self.context_length = memory.model.context_length
        self.num_forwarded = 0
        """Tokens that a model without memory would have passed."""
        self._text: Text = ()

    @property
    def length(self) -> int:
        return len(self._text)

    def reset(self, capacity: int | None = None) -> None:
        self._text = ()

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        self.num_forwarded += len(tokens)
        self._text = (*self._text, *tokens)
        return self._memory.rows(self._text, len(tokens) if num_rows is None else num_rows)

    def rollback(self, length: int) -> None:
        if length > self.length:
            raise ContractError(f"cannot roll back to {length} tokens: {self.length} are cached")
        self._text = self._text[:length]

    def without_memory(self) -> CountedModel:
        """The same model, passing every token, beside others that go on remembering."""
        return CountedModel(self._memory.model, self._memory.forget_cache)


class CountedModel:
    """A model as it is, with a count of the tokens that it passes."""

    def __init__(self, model: LanguageModel, on_reset: Callable[[], None] = lambda: None) -> None:
        self._model = model
        self._on_reset = on_reset
        self.name = model.name
        self.vocab_size = model.vocab_size
        self.context_length = model.context_length
        self.num_forwarded = 0

    @property
    def length(self) -> int:
        return self._model.length

    def reset(self, capacity: int | None = None) -> None:
        self._on_reset()
        self._model.reset(capacity)

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        self.num_forwarded += len(tokens)
        return self._model.forward(tokens, num_rows)

    def rollback(self, length: int) -> None:
        self._model.rollback(length)


def _common(left: Text, right: Text) -> int:
    """The length of the start that both texts share."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
