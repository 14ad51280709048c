"""The exact law of a whole speculative decode, to hold against the oracle's."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from draftlab.decoding import Decoder
from draftlab.events import Committed
from draftlab.testing.enumeration import EnumeratedChance, enumerate_law

Outcome = TypeVar("Outcome", bound=Hashable)


def law_of_decoding(decoder: Decoder, prompt: Sequence[int], max_new_tokens: int) -> dict[tuple[int, ...], float]:
    """Every text that `decoder` can write after `prompt`, with its probability."""

    def decode(chance: EnumeratedChance) -> tuple[int, ...]:
        events = decoder.decode(prompt, max_new_tokens=max_new_tokens, chance=chance)
        return tuple(t for event in events if isinstance(event, Committed) for t in event.outcome.emitted)

    return enumerate_law(decode)


def total_variation(p: Mapping[Outcome, float], q: Mapping[Outcome, float]) -> float:
    """Half the sum of absolute differences: 0 for equal laws, 1 for disjoint ones."""
    return sum(abs(p.get(x, 0.0) - q.get(x, 0.0)) for x in p.keys() | q.keys()) / 2
