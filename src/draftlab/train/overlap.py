"""Keeps the prompts that drafters are judged by out of what they are trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from draftlab.errors import DraftlabError
from draftlab.suites import BUILT_IN, load_suite

WINDOW = 12
"""Tokens in a row that count as the same text."""


class Forbidden:
    """Every window of so many tokens of the built-in suites."""

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self._windows: set[tuple[int, ...]] = set()
        for name in BUILT_IN:
            try:
                prompts = load_suite(name).prompts
            except DraftlabError:  # the package that holds it is not here
                continue
            for prompt in prompts:
                said = [message["content"] for message in prompt.messages or ()]
                for text in (prompt.prompt or "", *said):
                    self._windows.update(_windows(encode(text)))

    def occurs_in(self, tokens: Sequence[int]) -> bool:
        """Whether `tokens` share a window with any of them."""
        return any(window in self._windows for window in _windows(tokens))


def _windows(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(tokens[i : i + WINDOW]) for i in range(len(tokens) - WINDOW + 1)]
