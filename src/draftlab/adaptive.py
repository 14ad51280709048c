"""`--gamma auto`: as many drafted tokens as pay by what a round costs and by what was accepted in this text.

It never looks at the clock: costs are measured before, and its choices follow from the outcomes of earlier rounds, so
that they can be repeated. With survival A_k, the chance that the first k tokens of a draft are all accepted, a round
that drafts g tokens is expected to give 1 + A_1 + ... + A_g (Leviathan et al. 2023, section 3.1, with a rate of its own
for each depth); the g that gives most per cost is the one to draft, and 0 is among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul

from draftlab.types import Round

PRIOR = 0.65
"""The acceptance to expect of a drafter that nobody has seen at work on this text."""
PRIOR_WEIGHT = 2.5
"""So many judged tokens it counts for, and each depth's rate for the next one's."""
MEMORY = 0.92
"""What a round's evidence still counts for a drafted round later: about twelve rounds are remembered."""
MARGIN = 0.02
"""A draft has to promise so much more than plain decoding."""
FIRST_SHARE, PROBE_SHARE = 0.04, 0.01
"""What looking whether drafts pay again may cost, as a share of plain decoding: at the beginning of a text, then
half as much from probe to probe, and never less than the second."""
SHORTEST_PAUSE, LONGEST_PAUSE = 4, 64
"""In rounds."""


@dataclass(slots=True)
class Adaptive:
    """Follows the acceptance within a text; every text starts anew, so that their order changes nothing.

    While no draft pays, the one that loses least is made to look again, and again at once as long as some of it is
    accepted; after one that is rejected nothing is drafted for some rounds. Rounds in which the drafter has nothing to
    offer say nothing.
    """

    costs: Sequence[float]
    """costs[n]: of a round that drafts n tokens, in any unit; costs[0] is a round of plain decoding."""
    _accepted: list[float] = field(init=False)
    _judged: list[float] = field(init=False)
    _choice: int = field(init=False)
    _pause: int | None = field(init=False)
    """Plain rounds to go before the next probe; None: there will be none."""
    _share: float = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    @property
    def most(self) -> int:
        """The most that it ever allows."""
        return len(self.costs) - 1

    def begin(self) -> None:
        """A new text starts."""
        self._accepted = [0.0] * self.most
        self._judged = [0.0] * self.most
        self._choice = self._best()
        # The first probe is the most useful, but where not even a draft that is accepted whole pays there is none.
        self._pause = 0 if self._may_pay() else None
        self._share = FIRST_SHARE

    def limit(self) -> int:
        """The most tokens that the next round may draft."""
        if self._choice:
            return self._choice
        return self._probe() if self._pause == 0 else 0

    def observe(self, outcome: Round) -> None:
        """Learn from a round that drafted; wait in one that was not to."""
        if not outcome.num_drafted:
            if self._pause:
                self._pause -= 1
            return
        self._learn(outcome)
        self._choice = self._best()
        if not self._choice and not outcome.num_accepted:
            self._pause = self._pause_after_a_probe()
            self._share = max(self._share / 2, PROBE_SHARE)

    def _may_pay(self) -> bool:
        return any(num + 1 > (1.0 + MARGIN) * cost / self.costs[0] for num, cost in enumerate(self.costs))

    def _learn(self, outcome: Round) -> None:
        """Tokens after the first rejection were not judged."""
        for depth in range(self.most):
            self._accepted[depth] *= MEMORY
            self._judged[depth] *= MEMORY
        for depth in range(min(outcome.num_accepted + 1, outcome.num_drafted)):
            self._judged[depth] += 1.0
            self._accepted[depth] += depth < outcome.num_accepted

    def _rates(self) -> list[float]:
        """The acceptance of each depth, drawn towards that of the depth before as long as little is known of it."""
        rates, before = [], PRIOR
        for accepted, judged in zip(self._accepted, self._judged, strict=True):
            before = (PRIOR_WEIGHT * before + accepted) / (PRIOR_WEIGHT + judged)
            rates.append(before)
        return rates

    def _expected(self) -> list[float]:
        """The tokens of a round that drafts 0, 1, ... tokens."""
        return list(accumulate(accumulate(self._rates(), mul), initial=1.0))

    def _gains(self) -> list[float]:
        """Speed-ups over plain decoding, by drafted tokens."""
        return [tokens * self.costs[0] / cost for tokens, cost in zip(self._expected(), self.costs, strict=True)]

    def _best(self) -> int:
        """The draft that gives most per cost; 0 where none gives clearly more than plain decoding."""
        gains = self._gains()
        best = max(range(len(gains)), key=gains.__getitem__)  # the shortest of equally good ones
        return best if gains[best] > 1.0 + MARGIN else 0

    def _probe(self) -> int:
        """The draft that loses least; a second token may cost next to nothing where the first one is dear."""
        gains = self._gains()
        return max(range(1, len(gains)), key=gains.__getitem__)

    def _pause_after_a_probe(self) -> int:
        """So many plain rounds that what the next probes are expected to lose is a small share of them."""
        probe = self._probe()
        lost = self.costs[probe] / self.costs[0] - self._expected()[probe]
        lost /= 1.0 - self._rates()[0]  # they go on until one is rejected
        return round(min(max(lost / self._share, SHORTEST_PAUSE), LONGEST_PAUSE))
