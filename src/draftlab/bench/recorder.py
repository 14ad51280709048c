"""Turn the events of one decode into numbers. The only place where decoding meets time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from draftlab.bench.clock import WallClock
from draftlab.events import Committed, Drafted, Event, Finished, Prefilled, Scored, Started
from draftlab.records import Phases, Rounds
from draftlab.served import Served
from draftlab.types import Round, StopReason


@dataclass(frozen=True, slots=True)
class Recording:
    """What one decode produced and how long it took."""

    tokens: tuple[int, ...]
    decode_ns: int
    prefill_ns: int | None = None
    first_ns: int | None = None
    stop: StopReason | None = None
    rounds: Rounds = field(default_factory=Rounds)
    text: str | None = None
    """None: that of the tokens."""
    served: Served | None = None

    @property
    def num_tokens(self) -> int:
        """New ones."""
        return len(self.tokens) if self.served is None else self.served.num_tokens


def record(events: Iterator[Event], clock: WallClock) -> Recording:
    """Listen to a decode from beginning to end; prefill (the drafter's, too) is timed apart."""
    outcomes: list[Round] = []
    started = prefilled = first = 0
    reason: StopReason | None = None
    for event in events:
        match event:
            case Started():
                started = clock.now_ns()
            case Prefilled():
                prefilled = clock.now_ns()
            case Committed(outcome):
                if not outcomes:
                    first = clock.now_ns()  # one look more, and the only one within a decode
                outcomes.append(outcome)
            case Finished(stop):
                reason = stop
    finished = clock.now_ns()
    return Recording(
        tokens=tuple(token for outcome in outcomes for token in outcome.emitted),
        prefill_ns=prefilled - started,
        decode_ns=finished - prefilled,
        first_ns=first - prefilled,
        stop=reason,
        rounds=_by_column(outcomes),
    )


def record_phases(events: Iterator[Event], clock: WallClock, arm: str, prompt_id: str) -> Phases:
    """Listen to a decode and read the clock at every event, which waits for the device each time."""
    outcomes: list[Round] = []
    columns: dict[type[Event], list[int]] = {Drafted: [], Scored: [], Committed: []}
    length = before = 0
    for event in events:
        now = clock.now_ns()
        match event:
            case Started(prompt):
                length = len(prompt)
            case Drafted() | Scored() | Committed():
                columns[type(event)].append(now - before)
        if isinstance(event, Committed):
            outcomes.append(event.outcome)
        before = clock.now_ns()  # what this listener does is nobody's time
    return Phases(
        arm=arm,
        prompt_id=prompt_id,
        prompt_tokens=length,
        rounds=_by_column(outcomes),
        draft_ns=tuple(columns[Drafted]),
        target_ns=tuple(columns[Scored]),
        rest_ns=tuple(columns[Committed]),
    )


def _by_column(outcomes: Sequence[Round]) -> Rounds:
    return Rounds(
        drafted=tuple(outcome.num_drafted for outcome in outcomes),
        accepted=tuple(outcome.num_accepted for outcome in outcomes),
        emitted=tuple(len(outcome.emitted) for outcome in outcomes),
    )


def record_native(generate: Callable[[], Sequence[int]], clock: WallClock) -> Recording:
    """Time an engine's own decoding, which tells nothing but its tokens; `decode_ns` holds its prefill as well."""
    started = clock.now_ns()
    tokens = generate()
    return Recording(tuple(tokens), decode_ns=clock.now_ns() - started)
