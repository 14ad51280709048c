"""One implementation, ready to be timed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

from draftlab.errors import DraftlabError

Generate = Callable[[Sequence[int], int], Sequence[int]]
"""(prompt ids, number of tokens) -> the new ids."""


class Timed(NamedTuple):
    """New ids, and the seconds from ids in to ids out."""

    tokens: tuple[int, ...]
    seconds: float


Subject = Callable[[Sequence[int], int], Timed]


def in_this_process(generate: Generate) -> Subject:
    """Time `generate` by the wall clock; garbage of the one before is collected first."""

    def decode(prompt: Sequence[int], num_tokens: int) -> Timed:
        gc.collect()
        started = perf_counter()
        tokens = tuple(generate(prompt, num_tokens))
        return Timed(tokens, perf_counter() - started)

    return decode


def require_length(arm: str, found: Timed, num_tokens: int) -> None:
    """Times can only be compared where everybody writes as many tokens."""
    if len(found.tokens) != num_tokens:
        raise DraftlabError(
            f"{arm} wrote {len(found.tokens)} tokens where {num_tokens} were asked for",
            "Leave it out with --arms, or ask for fewer with --max-new-tokens.",
        )
