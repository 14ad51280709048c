"""What a reader has to know of the machine before believing a time, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from draftlab.report.measure import ArmReport, PrecisionReport, Report
from draftlab.report.names import title_of
from draftlab.report.noise import MachineReport
from draftlab.stats import Estimate

_OTHERS_SHARE = 0.10  # of all cores: what two programs with as many threads as cores do to one another starts here
_SWAPPED_BYTES = 2**20
_ENDS = {
    "reached": "reached",
    "budget": "not reached in the minutes given; more prompts narrow it better than more repetitions",
    "impossible": "cannot be had: too few prompts have decodes that did not fail",
    None: "not reached yet; bench --resume goes on",
}


def machine_notes(report: Report) -> Iterator[str]:
    """The lines that there are reasons for."""
    if line := fastest(report):
        yield line
    if report.precision is not None:
        yield _precision(report.precision)
    floor = report.noise_floor
    if floor is not None and floor.value is not None:
        interval = "" if floor.low is None else f" [{floor.low:.2f}, {floor.high:.2f}]"
        yield f"noise floor: the baseline against itself {floor.value:.2f}x{interval}"
    if report.drift is not None:
        yield from _drift(report.drift)
    if report.machine is not None:
        yield from _machine(report.machine)


def fastest(report: Report) -> str | None:
    """Which of several arms is the fastest over all prompts, and how surely; None where that is not known."""
    arms = [arm for arm in report.arms if arm.category == "all" and arm.win_probability is not None]
    if not arms:
        return None
    best = max(arms, key=lambda arm: arm.win_probability or 0.0)
    if (best.win_probability or 0.0) == 0.0:
        return "fastest: plain decoding, in every resample of the prompts"
    return f"fastest: {title_of(best)}, in {100 * (best.win_probability or 0.0):.0f} % of the resamples of the prompts"


def within_noise(arms: Sequence[ArmReport]) -> str | None:
    """Which rows of a table cannot be told from no gain."""
    rows = [arm.category for arm in arms if arm.within_noise]
    return f"within noise: {', '.join(rows)}" if rows else None


def _precision(found: PrecisionReport) -> str:
    known = "" if found.half_width is None else f"{100 * found.half_width:.1f} % to each side of the widest interval, "
    return f"until {100 * found.until:g} %: {known}repetitions: {found.repetitions}; {_ENDS[found.end]}"


def _drift(found: Estimate) -> Iterator[str]:
    if found.value is None or found.low is None or found.high is None or found.low <= 1.0 <= found.high:
        return
    way = "slower" if found.value < 1 else "faster"
    yield (
        f"drift: the machine was {100 * abs(found.value - 1):.0f} % {way} at the end "
        f"({found.value:.2f}x [{found.low:.2f}, {found.high:.2f}])"
    )


def _machine(found: MachineReport) -> Iterator[str]:
    if found.others_share is not None and found.others_share > _OTHERS_SHARE:
        yield f"loaded: other programs used {100 * found.others_share:.0f} % of the processor's cores meanwhile"
    if found.swapped_bytes is not None and found.swapped_bytes >= _SWAPPED_BYTES:
        yield f"swapped: {found.swapped_bytes / 2**20:.0f} MiB went to or came from disk for want of memory"
    if found.throttled:
        yield f"throttled: the processor was slowed down for its temperature, {found.throttled} times"
