"""Decodes that belong together: what is compared is the same work, done twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from draftlab.metrics import Counts, count
from draftlab.records import Trace
from draftlab.stats import Estimate, Sums, ratio_of_ratios


@dataclass(frozen=True)
class Pairs:
    """Decodes of a baseline and of an arm that belong together, prompt by prompt.

    A repetition that failed in one counts in neither, so that both are measured on the same work.
    """

    by_prompt: dict[str, list[tuple[Trace, Trace]]]

    @classmethod
    def match(cls, base: Iterable[Trace], other: Iterable[Trace]) -> Pairs:
        """The decodes that succeeded on both sides."""
        theirs = {(t.prompt_id, t.repetition): t for t in other if t.status == "ok"}
        found: dict[str, list[tuple[Trace, Trace]]] = {}
        for trace in base:
            twin = theirs.get((trace.prompt_id, trace.repetition))
            if trace.status == "ok" and twin is not None:
                found.setdefault(trace.prompt_id, []).append((trace, twin))
        return cls(found)

    def base(self) -> list[Counts]:
        """The baseline's counts, one entry per prompt."""
        return [count(ours for ours, _ in pairs) for pairs in self.by_prompt.values()]

    def arm(self) -> list[Counts]:
        """The arm's counts, one entry per prompt."""
        return [count(theirs for _, theirs in pairs) for pairs in self.by_prompt.values()]

    def all(self) -> list[tuple[Trace, Trace]]:
        """Every pair."""
        return [pair for pairs in self.by_prompt.values() for pair in pairs]

    def walltime_speedup(self) -> Estimate:
        """Time per token of the baseline over that of the arm, as a ratio of sums."""
        return ratio_of_ratios(time_per_token(self.base()), time_per_token(self.arm()))


def time_per_token(counts: Sequence[Counts]) -> Sums:
    """Decode time over tokens, one entry per prompt."""
    return [c.decode_ns for c in counts], [c.tokens for c in counts]
