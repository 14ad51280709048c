"""Every acceptance measure, as a pure function of counts. Counts add across traces; ratios do not.

`docs/glossary.md` has each definition with the names that other projects give it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from draftlab.records import Trace
from draftlab.served import Served


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened in some decodes, summed."""

    rounds: int = 0
    drafted: int = 0
    accepted: int = 0
    judged: int = 0
    """Accepted plus rejected: what comes after a rejection is never judged."""
    unjudged: int = 0
    """Drafted tokens of which a server does not let us know whether they were judged."""
    tokens: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rounds + other.rounds,
            self.drafted + other.drafted,
            self.accepted + other.accepted,
            self.judged + other.judged,
            self.unjudged + other.unjudged,
            self.tokens + other.tokens,
            self.prefill_ns + other.prefill_ns,
            self.decode_ns + other.decode_ns,
        )


def count(traces: Iterable[Trace]) -> Counts:
    """The counts of all traces that did not fail."""
    total = Counts()
    for trace in traces:
        if trace.status == "ok" and trace.served is not None:
            total += _of_server(trace.served, trace.decode_ns or 0)
        elif trace.status == "ok":
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


def _of_server(served: Served, decode_ns: int) -> Counts:
    """Counts of a server are sums already; those that it keeps to itself are 0, so that no ratio has a value."""
    drafted, judged = served.drafted or 0, served.judged
    return Counts(
        rounds=served.rounds or 0,
        drafted=drafted,
        accepted=served.accepted or 0,
        judged=judged or 0,
        unjudged=drafted if judged is None else 0,
        tokens=served.num_tokens,
        decode_ns=decode_ns,
    )


def all_or_none(counts: Sequence[Counts]) -> list[Counts]:
    """The same, with no acceptance rate in any where one of them has none: the others would speak for all."""
    unjudged = any(c.unjudged for c in counts)
    return [replace(c, unjudged=c.unjudged or 1) for c in counts] if unjudged else list(counts)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measure: what is summed above over what is summed below."""

    above: Callable[[Counts], float]
    below: Callable[[Counts], float]

    def __call__(self, counts: Counts) -> float | None:
        """Its value; None where nothing stands below."""
        below = self.below(counts)
        return self.above(counts) / below if below else None


acceptance_rate = Ratio(lambda c: 0 if c.unjudged else c.accepted, lambda c: 0 if c.unjudged else c.judged)
"""alpha (Leviathan et al. 2023, section 3.1); no value where a server leaves open what was judged."""

draft_utilization = Ratio(lambda c: c.accepted, lambda c: c.drafted)
"""vLLM and SGLang call this the acceptance rate."""

block_efficiency = Ratio(lambda c: c.accepted + c.rounds, lambda c: c.rounds)
"""tau: the tokens that a target pass yields, the target's own included."""

accepted_per_round = Ratio(lambda c: c.accepted, lambda c: c.rounds)
"""Block efficiency without the target's own token."""

tokens_per_s = Ratio(lambda c: c.tokens * 1e9, lambda c: c.decode_ns)
"""New tokens over decode time, prefill apart."""

tokens_per_s_with_prefill = Ratio(lambda c: c.tokens * 1e9, lambda c: c.decode_ns + c.prefill_ns)
"""New tokens over all time; the only speed that an engine's own decoding tells."""


@dataclass(frozen=True, slots=True)
class PositionCounts:
    """What became of one position of all drafts."""

    drafted: int = 0
    judged: int = 0
    """Rounds that drafted it and accepted all before it."""
    accepted: int = 0


def accepted_lengths(traces: Iterable[Trace]) -> list[int]:
    """Entry n: how many rounds that drafted accepted n tokens."""
    found = Counter(a for d, a in _rounds(traces) if d)
    return [found[n] for n in range(max(found, default=-1) + 1)]


def empty_rounds(traces: Iterable[Trace]) -> int:
    """How many rounds drafted nothing."""
    return sum(not d for d, _ in _rounds(traces))


def _rounds(traces: Iterable[Trace]) -> list[tuple[int, int]]:
    """Drafted and accepted of every round of every decode that did not fail."""
    done = (trace.rounds for trace in traces if trace.status == "ok")
    return [pair for rounds in done for pair in zip(rounds.drafted, rounds.accepted, strict=True)]


def by_position(traces: Iterable[Trace]) -> list[PositionCounts]:
    """Entry i: of the drafted token i, over all rounds."""
    traces = list(traces)
    if any(trace.served is not None for trace in traces):
        return _by_position_of_servers([trace.served for trace in traces if trace.served is not None])
    rounds = [pair for trace in traces for pair in zip(trace.rounds.drafted, trace.rounds.accepted, strict=True)]
    longest = max((drafted for drafted, _ in rounds), default=0)
    return [
        PositionCounts(
            drafted=sum(d > i for d, _ in rounds),
            judged=sum(d > i and a >= i for d, a in rounds),
            accepted=sum(a > i for _, a in rounds),
        )
        for i in range(longest)
    ]


def _by_position_of_servers(served: Sequence[Served]) -> list[PositionCounts]:
    """Empty where some drafts may have been shorter than others: how many had a position is not known then."""
    drafted = [each for each in served if each.drafted != 0]
    if not all(each.has_whole_drafts for each in drafted):
        return []
    longest = max((len(each.accepted_at) for each in drafted), default=0)
    found = []
    for i in range(longest):
        having = [each for each in drafted if i < len(each.accepted_at)]
        found.append(
            PositionCounts(
                drafted=sum(each.drafts or 0 for each in having),
                judged=sum((each.accepted_at[i - 1] if i else each.drafts) or 0 for each in having),
                accepted=sum(each.accepted_at[i] for each in having),
            )
        )
    return found


def tokens_per_round(acceptance: float, gamma: int) -> float:
    """The expected tokens of a round: 1 + a + a^2 + ... + a^gamma, each token being accepted independently."""
    return sum(acceptance**k for k in range(gamma + 1))


def acceptance_at(traces: Iterable[Trace]) -> list[float]:
    """Entry i: the rounds that accepted position i / the rounds that drafted it."""
    return [counts.accepted / counts.drafted for counts in by_position(traces)]


def by_place(traces: Iterable[Trace], edges: Sequence[int]) -> list[Counts]:
    """Judged and accepted tokens by where they stand among the new ones: entry 0 before edges[0], and so on."""
    judged, accepted = [0] * (len(edges) + 1), [0] * (len(edges) + 1)
    for trace in traces:
        start = 0
        for drafted, kept in zip(trace.rounds.drafted, trace.rounds.accepted, strict=True):
            for i in range(kept + (kept < drafted)):
                place = bisect_right(edges, start + i)
                judged[place] += 1
                accepted[place] += i < kept
            start += kept + 1  # the target's own token too; only the last round may have been cut
    return [Counts(judged=j, accepted=a) for j, a in zip(judged, accepted, strict=True)]


def content(trace: Trace) -> Sequence[int] | str:
    """What a trace is compared by: its tokens, or the text of a server, which does not tell its tokens."""
    return trace.tokens if trace.served is None else trace.text


def first_difference(left: Sequence[int] | str, right: Sequence[int] | str) -> int | None:
    """The first position at which two texts differ, in tokens or characters, or None where they are equal."""
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return i
    return None if len(left) == len(right) else min(len(left), len(right))
