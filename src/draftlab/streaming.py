"""Token ids to text while they arrive: no piece is ever half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_PARTIAL = "�"  # what a tokenizer writes for bytes that are not yet a character


class TextStream:
    """Feed tokens, get text. Looks back one piece only, so a long text costs no more than a short one."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._tokens: list[int] = []
        self._start = 0
        self._read = 0

    def push(self, token: int) -> str:
        """The text that `token` completes; empty while a character is unfinished."""
        self._tokens.append(token)
        # Decoded together with the piece before it: some tokenizers write a word's space only after another word.
        before = self._decode(self._tokens[self._start : self._read])
        text = self._decode(self._tokens[self._start :])
        if text.endswith(_PARTIAL) or len(text) <= len(before):  # a special token writes nothing: look past it
            return ""
        self._start, self._read = self._read, len(self._tokens)
        return text[len(before) :]

    def flush(self) -> str:
        """What is left at the end, unfinished characters included."""
        before = self._decode(self._tokens[self._start : self._read])
        return self._decode(self._tokens[self._start :])[len(before) :]


def pieces(decode: Callable[[Sequence[int]], str], tokens: Sequence[int]) -> list[str]:
    """What each token adds to a text; what is unfinished at the end belongs to the last."""
    stream = TextStream(decode)
    found = [stream.push(token) for token in tokens]
    return [*found[:-1], found[-1] + stream.flush()] if found else []
