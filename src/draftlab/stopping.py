"""When a text ends before its length is reached, wherever inside a block the stop lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from draftlab.types import StopReason


@dataclass(frozen=True)
class Stopping:
    """Stop tokens and stop strings. The token that completes a stop is kept, as in transformers' `generate`."""

    tokens: frozenset[int] = frozenset()
    strings: tuple[str, ...] = ()
    decode: Callable[[Sequence[int]], str] | None = None
    """Token ids to text; needed where there are stop strings."""

    def cut(self, text: Sequence[int], block: Sequence[int]) -> tuple[Sequence[int], StopReason | None]:
        """What stays of `block` after the new tokens `text`, and why it was cut there."""
        end = next((i for i, token in enumerate(block, 1) if token in self.tokens), None)
        kept = block if end is None else block[:end]
        at = self._end_of_string(text, kept)
        if at is not None and (end is None or at < end):
            return block[:at], "stop_string"
        return kept, None if end is None else "stop_token"

    def _end_of_string(self, text: Sequence[int], block: Sequence[int]) -> int | None:
        """How many tokens of `block` it takes until a stop string has appeared."""
        if not self.strings or not self._holds([*text, *block]):
            return None
        return next(i for i in range(1, len(block) + 1) if self._holds([*text, *block[:i]]))

    def _holds(self, tokens: Sequence[int]) -> bool:
        assert self.decode is not None, "stop strings need a decoder"
        written = self.decode(tokens)
        return any(string in written for string in self.strings)
