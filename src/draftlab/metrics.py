"""Every acceptance measure, as a pure function of counts. Counts add across traces; ratios do not.

`docs/glossary.md` has each definition with the names that other projects give it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from draftlab.records import Trace


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in some decodes, summed."""

    rounds: int = 0
    drafted: int = 0
    accepted: int = 0
    judged: int = 0
    """Accepted plus rejected: what comes after a rejection is never judged."""
    tokens: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rounds + other.rounds,
            self.drafted + other.drafted,
            self.accepted + other.accepted,
            self.judged + other.judged,
            self.tokens + other.tokens,
            self.prefill_ns + other.prefill_ns,
            self.decode_ns + other.decode_ns,
        )


def count(traces: Iterable[Trace]) -> Counts:
    """The counts of all traces that did not fail."""
    total = Counts()
    for trace in traces:
        if trace.status == "ok":
            rounds = trace.rounds
            rejections = sum(a < d for d, a in zip(rounds.drafted, rounds.accepted, strict=True))
            accepted = sum(rounds.accepted)
            total += Counts(
                rounds=len(rounds.drafted),
                drafted=sum(rounds.drafted),
                accepted=accepted,
                judged=accepted + rejections,
                tokens=len(trace.tokens),
                prefill_ns=trace.prefill_ns or 0,
                decode_ns=trace.decode_ns or 0,
            )
    return total


def acceptance_rate(counts: Counts) -> float | None:
    """alpha: accepted / judged (Leviathan et al. 2023, section 3.1)."""
    return _ratio(counts.accepted, counts.judged)


def draft_utilization(counts: Counts) -> float | None:
    """accepted / drafted; vLLM and SGLang call this the acceptance rate."""
    return _ratio(counts.accepted, counts.drafted)


def block_efficiency(counts: Counts) -> float | None:
    """tau: (accepted + rounds) / rounds, the tokens that a target pass yields."""
    return _ratio(counts.accepted + counts.rounds, counts.rounds)


def tokens_per_s(counts: Counts) -> float | None:
    """New tokens over decode time, prefill apart."""
    return _ratio(counts.tokens * 1e9, counts.decode_ns)


def acceptance_at(traces: Iterable[Trace]) -> list[float]:
    """Entry i: the rounds that accepted position i / the rounds that drafted it."""
    drafted: list[int] = []
    accepted: list[int] = []
    for trace in traces:
        for d, a in zip(trace.rounds.drafted, trace.rounds.accepted, strict=True):
            while len(drafted) < d:
                drafted.append(0)
                accepted.append(0)
            for i in range(d):
                drafted[i] += 1
                accepted[i] += i < a
    return [a / d for a, d in zip(accepted, drafted, strict=True)]


def first_difference(left: Sequence[int], right: Sequence[int]) -> int | None:
    """The first position at which two texts differ, or None where they are equal."""
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return i
    return None if len(left) == len(right) else min(len(left), len(right))


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator else None
