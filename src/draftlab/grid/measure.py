"""Cells -> figures. Acceptance is a matter of models and prompts, so it is pooled over machines; seconds never are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from draftlab.grid.cells import Cell
from draftlab.grid.folder import SweepFolder
from draftlab.machine_name import host_of, machine_of
from draftlab.metrics import acceptance_rate, all_or_none, block_efficiency, draft_utilization, tokens_per_s
from draftlab.pairs import Pairs
from draftlab.records import Arm
from draftlab.report.measure import estimate
from draftlab.report.names import gamma_of
from draftlab.report.noise import is_within_noise, pays
from draftlab.report.reading import Run, folder_name
from draftlab.stats import Estimate

ALL = "all"


class Point(BaseModel):
    """Where a figure stands in the grid."""

    model_config = ConfigDict(frozen=True)

    target: str
    drafter: str
    gamma: str
    """A number, or auto."""
    rule: str
    lossless: bool
    temperature: float
    suite: str
    """`all`: every suite together."""


class Speed(Point):
    """How fast, on one machine."""

    machine: int
    """Its place in the list of machines."""
    num_prompts: int
    num_failed: int
    """Decodes of it that failed, of its plain decoding included."""
    num_real: int
    """Greedy texts that differ from the plain ones for another reason than rounding: a fault."""
    within_noise: bool | None
    walltime_speedup: Estimate
    tokens_per_s: Estimate
    baseline_tokens_per_s: Estimate


class Acceptance(Point):
    """How much was accepted, on all machines together."""

    num_prompts: int
    forms: list[str]
    """How the drafter's weights were kept; `compress=auto` may choose otherwise in another cell."""
    acceptance_rate: Estimate
    draft_utilization: Estimate
    block_efficiency: Estimate


class Best(BaseModel):
    """What to use for a suite on a machine."""

    target: str
    temperature: float
    suite: str
    machine: int
    pays: bool
    """Whether its speed-up is above 1 with its interval, and beyond the noise."""
    loses: bool
    """Whether it is below: plain decoding is the best there is."""
    best: Speed
    rivals: int
    """Other lossless arms that cannot be told from it: their interval reaches up to its speed-up, or they have none."""


class CellState(BaseModel):
    """A cell that is not complete."""

    key: str
    title: str
    error: str | None
    """None: it has not run yet."""


class GridReport(BaseModel):
    """All that is known of a sweep."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: int = Field(default=1, serialization_alias="schema")
    sweep: str
    num_cells: int
    num_done: int
    machines: list[str]
    speeds: list[Speed]
    acceptance: list[Acceptance]
    best: list[Best]
    missing: list[CellState]

    @property
    def has_failures(self) -> bool:
        """Whether a cell could not be run, a decode failed, or a greedy text really differs."""
        faults = any(speed.num_failed or speed.num_real for speed in self.speeds)
        return faults or any(cell.error for cell in self.missing)


@dataclass(frozen=True)
class _Measured:
    """One arm of one cell."""

    point: Point
    machine: str
    pairs: Pairs
    control: Pairs | None
    """Plain decoding against itself."""
    num_failed: int
    num_real: int
    form: str


def measure_grid(sweep: SweepFolder) -> GridReport:
    """Read a sweep, finished or not, and compute its figures."""
    record, failures = sweep.record(), sweep.failures()
    measured: list[_Measured] = []
    missing: list[CellState] = []
    for cell in record.cells:
        run = sweep.run(cell)
        if run is None:
            failure = failures.get(cell.key)
            missing.append(CellState(key=cell.key, title=cell.title, error=failure.error if failure else None))
        else:
            measured += _arms(cell, run)
    machines = list(dict.fromkeys(each.machine for each in measured))
    speeds = [_speed(point, group, machines) for point, group in _groups(measured, by_machine=True)]
    return GridReport(
        sweep=folder_name(sweep.folder),
        num_cells=len(record.cells),
        num_done=len(record.cells) - len(missing),
        machines=machines,
        speeds=speeds,
        acceptance=[_acceptance(point, group) for point, group in _groups(measured, by_machine=False)],
        best=sorted(_best(speeds), key=lambda best: best.suite == ALL),
        missing=missing,
    )


def broken_arm(run: Run) -> str | None:
    """The line that says that no decode of an arm succeeded, so that there is nothing to measure."""
    for arm in run.arms("baseline", "drafted"):
        traces = run.traces_of(arm)
        if traces and all(trace.status == "failed" for trace in traces):
            return f"every decode of {arm.id} failed: {traces[0].error}"
    return None


def _arms(cell: Cell, run: Run) -> Iterator[_Measured]:
    plain = [trace for arm in run.arms("baseline", "control", "closing") for trace in run.traces_of(arm)]
    control = [run.pairs(arm) for arm in run.arms("control")]
    for arm in run.arms("drafted"):
        traces = [*run.traces_of(arm), *plain]
        yield _Measured(
            _point(cell, arm, run),
            _machine(run),
            run.pairs(arm),
            control[0] if control else None,
            num_failed=sum(trace.status == "failed" for trace in traces),
            form=", ".join(str(model["linear"]) for model in run.manifest.drafters.values() if model.get("linear")),
            num_real=sum(key[0] == arm.id and found.kind == "real" for key, found in run.examined.items()),
        )


def _machine(run: Run) -> str:
    """Two machines of one kind are two: what else runs on each is its own affair."""
    environment = run.manifest.environment
    host = host_of(environment)
    return f"{machine_of(environment)}{f' (host {host})' if host else ''}"


def _point(cell: Cell, arm: Arm, run: Run) -> Point:
    return Point(
        target=cell.target,
        drafter=arm.drafter,
        gamma="auto" if arm.draft_length == "auto" else gamma_of(arm),
        rule=arm.rule,
        lossless=arm.lossless,
        temperature=run.manifest.sampling.temperature,
        suite=cell.suite,
    )


def _groups(measured: Iterable[_Measured], *, by_machine: bool) -> list[tuple[Point, list[_Measured]]]:
    """What is summed up together: each suite by itself, and all of them where every one is there."""
    found: dict[tuple[Point, str], list[_Measured]] = defaultdict(list)
    suites: set[str] = set()
    for each in measured:
        suites.add(each.point.suite)
        for point in (each.point, each.point.model_copy(update={"suite": ALL})):
            found[point, each.machine if by_machine else ""].append(each)
    return [
        (point, group)
        for (point, _), group in found.items()
        if point.suite != ALL or (len(suites) > 1 and {each.point.suite for each in group} == suites)
    ]


def _pooled(pairs: Iterable[tuple[str, Pairs]]) -> Pairs:
    """Of several suites by name, two of which may use one id for two prompts."""
    return Pairs({f"{suite}\0{prompt}": both for suite, each in pairs for prompt, both in each.by_prompt.items()})


def _speed(point: Point, group: Sequence[_Measured], machines: Sequence[str]) -> Speed:
    pairs = _pooled((each.point.suite, each.pairs) for each in group)
    control = [(each.point.suite, each.control) for each in group if each.control is not None]
    floor = _pooled(control).walltime_speedup() if control else None
    speedup = pairs.walltime_speedup()
    return Speed(
        **point.model_dump(),
        machine=machines.index(group[0].machine),
        num_prompts=len(pairs.by_prompt),
        num_failed=sum(each.num_failed for each in group),
        num_real=sum(each.num_real for each in group),
        walltime_speedup=speedup,
        within_noise=is_within_noise(speedup, floor),
        tokens_per_s=estimate(tokens_per_s, pairs.arm()),
        baseline_tokens_per_s=estimate(tokens_per_s, pairs.base()),
    )


def _acceptance(point: Point, group: Sequence[_Measured]) -> Acceptance:
    counts = all_or_none(_pooled((each.point.suite, each.pairs) for each in group).arm())
    return Acceptance(
        **point.model_dump(),
        num_prompts=len(counts),
        forms=sorted({each.form for each in group if each.form}),
        acceptance_rate=estimate(acceptance_rate, counts),
        draft_utilization=estimate(draft_utilization, counts),
        block_efficiency=estimate(block_efficiency, counts),
    )


def _best(speeds: Sequence[Speed]) -> Iterator[Best]:
    """The fastest lossless arm of each suite; where others cannot be told from it, how many."""
    found: dict[tuple[str, float, str, int], list[Speed]] = defaultdict(list)
    for speed in speeds:
        if speed.lossless and speed.walltime_speedup.value is not None:
            found[speed.target, speed.temperature, speed.suite, speed.machine].append(speed)
    for (target, temperature, suite, machine), rows in found.items():
        best = max(rows, key=lambda row: row.walltime_speedup.value or 0.0)
        reached = best.walltime_speedup.value or 0.0
        yield Best(
            target=target,
            temperature=temperature,
            suite=suite,
            machine=machine,
            pays=pays(best.walltime_speedup, best.within_noise),
            loses=best.walltime_speedup.high is not None and best.walltime_speedup.high < 1.0,
            best=best,
            rivals=sum(_reaches(row.walltime_speedup, reached) for row in rows if row is not best),
        )


def _reaches(speedup: Estimate, value: float) -> bool:
    return speedup.high is None or speedup.high >= value
