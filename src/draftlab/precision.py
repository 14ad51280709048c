"""How narrow the intervals of a run are by now, and whether another round of repetitions is called for.

The bench asks before each round, and the report says what was reached; both read it from the traces alone, so a run
that was interrupted goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from draftlab.metrics import count
from draftlab.pairs import Pairs
from draftlab.records import Arm, Goal, Trace

End = Literal["reached", "budget", "impossible"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands on the way to its goal."""

    half_width: float | None
    """Of the widest interval, as a share of its value; None where an arm has no interval."""
    repetitions: int
    end: End | None
    """Why no further round is called for; None as long as one is. `impossible`: some arm has no interval at all."""


def rounds_begun(traces: Iterable[Trace], planned: int) -> int:
    """How many repetitions a run has: those that were planned, or more where a further round was begun."""
    return max([planned, *(trace.repetition + 1 for trace in traces)])


def progress(goal: Goal, arms: Sequence[Arm], traces: Sequence[Trace], planned: int) -> Progress:
    """Judge a run after whole rounds; the time of a run is that of its decodes, prefill included."""
    half_width = _widest(arms, traces)
    repetitions = rounds_begun(traces, planned)
    total = count(traces)
    spent = total.decode_ns + total.prefill_ns
    end: End | None = None
    if half_width is None or not _added_something(arms, traces, repetitions - 1):
        end = "impossible"  # decodes fail again: more of them make no interval
    elif half_width <= goal.half_width:
        end = "reached"
    elif spent + spent // repetitions > goal.budget_ns:
        end = "budget"  # another round would not fit
    return Progress(half_width, repetitions, end)


def _added_something(arms: Sequence[Arm], traces: Sequence[Trace], repetition: int) -> bool:
    """Whether some drafted decode of that repetition went well: else the next would fail like it, for ever."""
    drafted = {arm.id for arm in arms if arm.role == "drafted"}
    return any(t.status == "ok" and t.arm in drafted for t in traces if t.repetition == repetition)


def _widest(arms: Sequence[Arm], traces: Sequence[Trace]) -> float | None:
    """The widest of the intervals of the drafted arms' speed-ups over all prompts."""
    by_arm: dict[str, list[Trace]] = {arm.id: [] for arm in arms}
    for trace in traces:
        by_arm[trace.arm].append(trace)
    (baseline,) = (arm for arm in arms if arm.role == "baseline")
    widths = [
        Pairs.match(by_arm[baseline.id], by_arm[arm.id]).walltime_speedup().half_width
        for arm in arms
        if arm.role == "drafted"
    ]
    known = [width for width in widths if width is not None]
    return max(known) if known and len(known) == len(widths) else None
