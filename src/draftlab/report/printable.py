"""Text from models and files, made harmless for a terminal."""

from __future__ import annotations

# Control characters become their visible pictures (U+2400 block); line breaks and tabs stay what they are.
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_VISIBLE |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_VISIBLE |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)  # bidirectional overrides
_ONE_LINE = _VISIBLE | {ord(c): 0x2400 + ord(c) for c in "\n\t"} | dict.fromkeys([0x2028, 0x2029], 0xFFFD)


def printable(text: str) -> str:
    """`text` without anything that a terminal would obey."""
    return text.translate(_VISIBLE)


def printable_line(text: str) -> str:
    """The same for a name, which stays on its line: its line breaks and tabs become visible too."""
    return text.translate(_ONE_LINE)
