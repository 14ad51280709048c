"""What a machine adds to every time: its noise floor, its drift over a run, and what others did on it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pydantic import BaseModel

from draftlab.pairs import Pairs
from draftlab.records import MachineSample
from draftlab.report.reading import Run
from draftlab.stats import Estimate

_MEANINGFUL_NS = 10**9  # counters tick a hundred times a second: less than this says nothing


class MachineReport(BaseModel):
    """What the machine did besides this run, while it decoded. None: its counters do not tell."""

    others_share: float | None
    """Of all processor time, what other programs and other virtual machines used."""
    swapped_bytes: int | None
    throttled: int | None
    """How often cores were slowed down for their temperature."""


def noise_floor(run: Run) -> Estimate | None:
    """The speed-up of the baseline over itself, from its second decode in every block; None where there is none."""
    control = run.arms("control")
    return run.pairs(control[0]).walltime_speedup() if control else None


def is_within_noise(speedup: Estimate, floor: Estimate | None) -> bool | None:
    """Whether a speed-up cannot be told from 1; None where it has no interval.

    It can be told if its interval excludes 1 and its value lies further from 1 than the noise floor's interval reaches
    to either side. Which of two equal baselines comes first is arbitrary, so what the floor reaches upwards it may
    reach downwards.
    """
    if speedup.value is None or speedup.low is None or speedup.high is None:
        return None
    if speedup.low <= 1.0 <= speedup.high:
        return True
    reach = noise_reach(floor) or 1.0
    return 1 / reach <= speedup.value <= reach


def pays(speedup: Estimate, within_noise: bool | None) -> bool:
    """Whether a speed-up is above 1 with its interval, and beyond the noise of the run."""
    return (speedup.low or 0.0) > 1.0 and within_noise is False


def noise_reach(floor: Estimate | None) -> float | None:
    """How far above 1 a speed-up may be mere noise; 1 / reach is how far below. None where the floor is not known."""
    return max(floor.high, 1 / floor.low) if floor and floor.low and floor.high else None


def drift(run: Run) -> Estimate | None:
    """Speed of the baseline at the end of a run over its speed at the beginning, on the same prompts.

    Of several repetitions the last third is compared with the first; of one, the closing decodes with the first ones.
    """
    base = run.traces_of(run.baseline)
    repetitions = max((trace.repetition + 1 for trace in base), default=0)
    if repetitions > 1:
        third = max(1, repetitions // 3)
        first = [trace for trace in base if trace.repetition < third]
        shift = repetitions - third
        last = [t.model_copy(update={"repetition": t.repetition - shift}) for t in base if t.repetition >= shift]
        return Pairs.match(first, last).walltime_speedup()
    closing = run.arms("closing")
    return run.pairs(closing[0]).walltime_speedup() if closing else None


def machine_load(samples: Sequence[MachineSample]) -> MachineReport | None:
    """Sums over the processes that decoded; one that was killed has no end and does not count."""
    spans = [(begin, end) for begin, end in pairwise(samples) if (begin.moment, end.moment) == ("begin", "end")]
    if not spans:
        return None
    busy = sum(end.busy_ns - begin.busy_ns for begin, end in spans)
    total = busy + sum(end.idle_ns - begin.idle_ns for begin, end in spans)
    others = busy - sum(end.own_ns - begin.own_ns for begin, end in spans)
    swapped_in = _growth([(begin.swapped_in_bytes, end.swapped_in_bytes) for begin, end in spans])
    swapped_out = _growth([(begin.swapped_out_bytes, end.swapped_out_bytes) for begin, end in spans])
    return MachineReport(
        others_share=max(0.0, others / total) if total >= _MEANINGFUL_NS else None,
        swapped_bytes=None if swapped_in is None or swapped_out is None else swapped_in + swapped_out,
        throttled=_growth([(begin.throttled, end.throttled) for begin, end in spans]),
    )


def _growth(spans: Sequence[tuple[int | None, int | None]]) -> int | None:
    total = 0
    for before, after in spans:
        if before is None or after is None:
            return None
        total += max(0, after - before)
    return total
