"""Every outcome of a random procedure with its exact probability, by walking all branches of its chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from draftlab.types import Purpose, Row

T = TypeVar("T")
Outcome = TypeVar("Outcome", bound=Hashable)
_Key = tuple[int, Purpose, int]


class EnumeratedChance:
    """A chance that follows a script of branch numbers, and notes the branches that it passes.

    Behind every key stands one uniform number in [0, 1), of which only an interval is known. A question narrows the
    interval; a key that is asked twice answers from what is left of it. So a procedure that reuses a draw gets the
    law that it really has, and not the one that it hopes for.
    """

    def __init__(self, script: Sequence[int]) -> None:
        self.probability = 1.0
        self.branches: list[tuple[int, int]] = []  # (taken, how many there were)
        self._script = script
        self._intervals: dict[_Key, tuple[float, float]] = {}

    def round(self, index: int, length: int = 0) -> _EnumeratedRng:
        """The chance of round `index`."""
        return _EnumeratedRng(self, index)

    def choose(self, key: _Key, pieces: Sequence[tuple[T, float, float]]) -> T:
        """One of `pieces` (value, from, to), which together cover [0, 1)."""
        low, high = self._intervals.get(key, (0.0, 1.0))
        left = [(value, max(low, a), min(high, b)) for value, a, b in pieces if min(high, b) > max(low, a)]
        depth = len(self.branches)
        taken = self._script[depth] if depth < len(self._script) else 0
        value, a, b = left[taken]
        self.branches.append((taken, len(left)))
        self.probability *= (b - a) / (high - low)
        self._intervals[key] = (a, b)
        return value


class _EnumeratedRng:
    def __init__(self, chance: EnumeratedChance, index: int) -> None:
        self._chance = chance
        self._index = index

    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        pieces = []
        low = 0.0
        support = row.support()
        for i, (token, mass) in enumerate(support):
            high = 1.0 if i == len(support) - 1 else low + mass
            pieces.append((token, low, high))
            low = high
        return self._chance.choose((self._index, purpose, position), pieces)

    def accept(self, probability: float, position: int) -> bool:
        pieces = [(True, 0.0, probability), (False, probability, 1.0)]
        return self._chance.choose((self._index, "accept", position), pieces)


def enumerate_law(procedure: Callable[[EnumeratedChance], Outcome]) -> dict[Outcome, float]:
    """The exact law of what `procedure` returns, by depth-first search over its branches."""
    law: dict[Outcome, float] = defaultdict(float)
    script: list[int] | None = []
    while script is not None:
        chance = EnumeratedChance(script)
        law[procedure(chance)] += chance.probability
        script = _next_script(chance.branches)
    return dict(law)


def _next_script(branches: Sequence[tuple[int, int]]) -> list[int] | None:
    for depth in range(len(branches) - 1, -1, -1):
        taken, available = branches[depth]
        if taken + 1 < available:
            return [*(t for t, _ in branches[:depth]), taken + 1]
    return None
