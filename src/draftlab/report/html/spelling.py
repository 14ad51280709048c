"""Bytes of tokens to what a page shows: characters as they are, and a mark for all that is no harmless character."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Sequence

Pieces = tuple[str, ...]
"""Text and marks by turns, beginning with text: ("a", "␛", "b") is an escape between two letters."""

_JOINERS = "\u200c\u200d"  # they shape letters and emoji, and stand for nothing by themselves
_STRANGE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_NAMES = {
    "\u061c": "ALM", "\u200e": "LRM", "\u200f": "RLM", "\u202a": "LRE", "\u202b": "RLE", "\u202c": "PDF",
    "\u202d": "LRO", "\u202e": "RLO", "\u2066": "LRI", "\u2067": "RLI", "\u2068": "FSI", "\u2069": "PDI",
}  # fmt: skip


class Speller:
    """Takes a text token by token. A character that is spread over several stands at the token that completes it."""

    def __init__(self, pending: bytes = b"") -> None:
        self._pending = pending

    def fork(self) -> Speller:
        """Another one at the same place, for a draft that the text does not keep."""
        return Speller(self._pending)

    def push(self, data: bytes) -> Pieces:
        """What the token with these bytes shows: its unfinished and its invalid bytes are marks such as ⟨e2 80⟩."""
        buffer, own = self._pending + data, len(self._pending)
        pieces: list[str] = [""]
        at, self._pending = 0, b""
        while at < len(buffer):
            try:
                text, used = codecs.utf_8_decode(buffer[at:], "strict", False)
            except UnicodeDecodeError as error:
                text, used = buffer[at : at + error.start].decode(), error.start
                bad = buffer[at + used : at + error.end]
                after = at + error.end
            else:
                bad = self._pending = buffer[at + used :]
                after = len(buffer)
            _join(pieces, spell(text))
            _join(pieces, _byte_mark(bad[max(0, own - at - used) :]))  # the bytes before are marked at their token
            at = after
        return tuple(pieces)


def spell(text: str) -> Pieces:
    """Text with what would be invisible, or would turn other text around, as marks; line breaks and tabs stay."""
    pieces = [""]
    for character in text:
        mark = _mark(character)
        if mark is None:
            pieces[-1] += character
        else:
            pieces += [mark, ""]
    return tuple(pieces)


def mark(name: str) -> Pieces:
    """A mark alone: for what is no text, such as the token that ends one."""
    return ("", "".join(plain(spell(name))), "")


def plain(pieces: Sequence[str]) -> str:
    """Text and marks as one string."""
    return "".join(pieces)


def _mark(character: str) -> str | None:
    if character in "\n\t" or character in _JOINERS or unicodedata.category(character) not in _STRANGE:
        return None
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨{_NAMES.get(character, f'U+{code:04X}')}⟩"


def _byte_mark(data: bytes) -> Pieces:
    return ("", f"⟨{data.hex(' ')}⟩", "") if data else ("",)


def _join(pieces: list[str], more: Sequence[str]) -> None:
    pieces[-1] += more[0]
    pieces += more[1:]
