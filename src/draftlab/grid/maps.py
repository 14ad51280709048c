"""Figures arranged as maps: a row for each drafter, a column for each draft length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from draftlab.grid.measure import ALL, Acceptance, GridReport, Speed

_Point = TypeVar("_Point", Speed, Acceptance)


@dataclass(frozen=True)
class HeatMap:
    """One figure over drafters and draft lengths."""

    name: str
    title: str
    is_speed: bool
    """A speed-up, of which 1 is none; else an acceptance rate."""
    drafters: list[str]
    gammas: list[str]
    rows: list[list[float | None]]


def heat_maps(report: GridReport) -> Iterator[HeatMap]:
    """For each target, rule and temperature: speed-ups by machine, then acceptance on all of them."""
    for target, rule, temperature in dict.fromkeys((a.target, a.rule, a.temperature) for a in report.acceptance):
        what = f"{target}, rule {rule}, {'greedy' if temperature == 0 else f'temperature {temperature:g}'}"
        speeds = [s for s in report.speeds if (s.target, s.rule, s.temperature) == (target, rule, temperature)]
        for machine in dict.fromkeys(speed.machine for speed in speeds):
            on = f" on machine {machine + 1}" if len(report.machines) > 1 else ""
            for suite, mine in _by_suite([speed for speed in speeds if speed.machine == machine]):
                cells = {(s.drafter, s.gamma): s.walltime_speedup.value for s in mine}
                yield _map("speed-up", f"speed-up{on}: {what}, {suite}", cells, is_speed=True)
        rates = [a for a in report.acceptance if (a.target, a.rule, a.temperature) == (target, rule, temperature)]
        for suite, pooled in _by_suite(rates):
            values = {(a.drafter, a.gamma): a.acceptance_rate.value for a in pooled}
            yield _map("acceptance", f"acceptance rate: {what}, {suite}", values, is_speed=False)


def _by_suite(points: Sequence[_Point]) -> Iterator[tuple[str, list[_Point]]]:
    """All suites together; and each by itself where that is not known of every drafter and draft length."""
    whole = [point for point in points if point.suite == ALL]
    if whole:
        yield "all suites", whole
    if len(whole) < len({(point.drafter, point.gamma) for point in points}):
        for suite in dict.fromkeys(point.suite for point in points if point.suite != ALL):
            yield suite, [point for point in points if point.suite == suite]


def _map(name: str, title: str, cells: dict[tuple[str, str], float | None], *, is_speed: bool) -> HeatMap:
    drafters = list(dict.fromkeys(drafter for drafter, _ in cells))
    lengths = {gamma for _, gamma in cells}
    gammas = [*sorted((g for g in lengths if g.isdecimal()), key=int), *sorted(g for g in lengths if not g.isdecimal())]
    rows = [[cells.get((drafter, gamma)) for gamma in gammas] for drafter in drafters]
    return HeatMap(name, title, is_speed, drafters, gammas, rows)
