"""How many tokens a round may draft: always as many, or each number in turn so that their times can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from draftlab.types import Round


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same in every round."""

    most: int

    def begin(self) -> None:
        pass

    def limit(self) -> int:
        return self.most

    def observe(self, outcome: Round) -> None:
        pass


@dataclass(slots=True)
class InTurn:
    """Each of `lengths` for `hold` rounds, over and over, across texts: every length meets every part of a text."""

    lengths: Sequence[int]
    hold: int = 2
    _round: int = field(default=0, init=False)

    @property
    def most(self) -> int:
        return max(self.lengths)

    def begin(self) -> None:
        pass

    def limit(self) -> int:
        return self.lengths[self._round // self.hold % len(self.lengths)]

    def observe(self, outcome: Round) -> None:
        self._round += 1
