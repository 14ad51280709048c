"""Keeps the prompts that drafters are judged by out of what they are trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from draftlab.errors import DraftlabError
from draftlab.suites import BUILT_IN, load_suite

WINDOW = 12
"""Tokens in a row that count as the same text."""


class Forbidden:
    """Every window of so many tokens of the built-in suites."""

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self.suites = suites_here()
        self._windows: set[tuple[int, ...]] = set()
        for name in self.suites:
            for text in _texts(name):
                self._windows.update(_windows(encode(text)))

    def occurs_in(self, tokens: Sequence[int]) -> bool:
        """Whether `tokens` share a window with any of them."""
        return any(window in self._windows for window in _windows(tokens))

    def shared(self, tokens: Sequence[int]) -> int:
        """How many windows of `tokens` are windows of theirs, too."""
        return sum(window in self._windows for window in _windows(tokens))

    def finding(self, num_shared: int) -> dict[str, Any]:
        """What a look at all that was learned from found, with what it was compared with."""
        return {
            "suites": {name: suite_digest(name) for name in self.suites},
            "window": WINDOW,
            "shared_windows": num_shared,
        }


def suites_here() -> list[str]:
    """The built-in suites, without those whose package is not installed."""
    found = []
    for name in BUILT_IN:
        try:
            load_suite(name)
        except DraftlabError:  # the package that holds it is not here
            continue
        found.append(name)
    return found


def suite_digest(name: str) -> str:
    """sha256 of all that the prompts of a suite say; another one means that the suite has changed."""
    digest = hashlib.sha256()
    for text in _texts(name):
        digest.update(text.encode() + b"\0")
    return digest.hexdigest()


def _texts(name: str) -> Iterator[str]:
    for prompt in load_suite(name).prompts:
        yield from (prompt.prompt or "", *(message["content"] for message in prompt.messages or ()))


def _windows(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(tokens[i : i + WINDOW]) for i in range(len(tokens) - WINDOW + 1)]
