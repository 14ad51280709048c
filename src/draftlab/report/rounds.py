"""The rounds of timed decodes, as a cost model asks for them: how much was drafted, after how long a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import accumulate

from draftlab.records import PromptRecord, Trace


@dataclass(frozen=True, slots=True)
class TimedRound:
    """One round of a decode that was timed as a whole."""

    drafted: int
    accepted: int
    emitted: int
    """As kept."""
    context: float
    """Tokens of the text before it."""
    catches_up: bool = False
    """Whether the draft before it was accepted in full, so that the drafter has one token more to read."""
    is_tail: bool = False
    """Whether the end of the text left no room for a whole draft, or cut off what the round yielded."""

    def with_gamma(self, gamma: int) -> TimedRound:
        """The round if no more than so many of its tokens had been drafted; what was kept is not told then."""
        return replace(self, drafted=min(self.drafted, gamma), accepted=min(self.accepted, gamma))


RoundCost = Callable[[int, float, bool], float]
"""(drafted, context, catches_up) -> nanoseconds, a straight line in `context`."""


def timed_rounds(trace: Trace, prompt: PromptRecord, gamma: int, *, adapts: bool = False) -> list[TimedRound]:
    """The rounds of a decode, with the length of the text that each met.

    Where the draft length `adapts`, a draft is shorter than gamma by choice, and not for want of room.
    """
    rounds = trace.rounds

    def is_cut(drafted: int, before: int) -> bool:
        room = prompt.max_new_tokens - before
        return room <= gamma and (not adapts or drafted == room - 1)

    done = accumulate(rounds.emitted, initial=0)
    found = [
        TimedRound(
            drafted,
            accepted,
            emitted,
            (prompt.num_tokens or 0) + before,
            is_tail=is_cut(drafted, before) or emitted < accepted + 1,
        )
        for drafted, accepted, emitted, before in zip(
            rounds.drafted, rounds.accepted, rounds.emitted, done, strict=False
        )
    ]
    return chained(found)


def chained(rounds: Iterable[TimedRound]) -> list[TimedRound]:
    """The rounds of one decode in order, each told whether the one before it accepted all of a draft."""
    found: list[TimedRound] = []
    late = False
    for each in rounds:
        found.append(replace(each, catches_up=late))
        late = 0 < each.drafted == each.accepted
    return found


def total(rounds: Iterable[TimedRound], cost: RoundCost) -> float:
    """What all of them cost; rounds alike are asked for once, at their mean context."""
    alike: dict[tuple[int, bool], list[float]] = defaultdict(list)
    for each in rounds:
        alike[each.drafted, each.catches_up].append(each.context)
    return sum(len(at) * cost(drafted, sum(at) / len(at), late) for (drafted, late), at in alike.items())
