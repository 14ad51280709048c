"""The figures of a run, computed from its traces; the document that `--json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.metrics import (
    Counts,
    Ratio,
    acceptance_at,
    acceptance_rate,
    accepted_per_round,
    all_or_none,
    block_efficiency,
    content,
    draft_utilization,
    first_difference,
    tokens_per_s,
    tokens_per_s_with_prefill,
)
from draftlab.pairs import Pairs
from draftlab.precision import End, progress, rounds_begun
from draftlab.records import SCHEMA_VERSION, Arm, Divergence, Trace, TraceKey
from draftlab.report.acceptance import AcceptanceGroup, PositionReport, measure_groups, measure_positions
from draftlab.report.brakes import BestGamma, WhyNotFaster, best_gamma, why_not_faster
from draftlab.report.noise import MachineReport, drift, is_within_noise, machine_load, noise_floor
from draftlab.report.prediction import CostReport, predict
from draftlab.report.reading import Run, categories
from draftlab.report.servers import ServedReport, measure_servers
from draftlab.report.times import Times, measure_times, win_probabilities
from draftlab.report.why import WhyReport, explain
from draftlab.stats import Estimate, ratio_of_sums
from draftlab.store import Store


class DivergenceReport(BaseModel):
    """Where an arm's text leaves the baseline's. Margin and class are None where they were not examined."""

    prompt_id: str
    repetition: int
    position: int
    """The first token that differs; of servers, which do not tell their tokens, the first character."""
    margin: float | None = None
    kind: Literal["tie", "rounding", "real"] | None = Field(default=None, serialization_alias="class")


class ArmReport(Times):
    """One arm over the prompts of one category."""

    drafter: str
    gamma: int
    draft_length: Literal["fixed", "auto", "server"]
    """auto: each round drafts as many tokens as pay, at most `gamma`."""
    rule: str
    lossless: bool
    category: str
    num_prompts: int
    num_failed: int
    walltime_speedup: Estimate
    within_noise: bool | None
    """Whether the speed-up cannot be told from 1; None where it has no interval."""
    predicted_speedup: Estimate | None
    """From what the parts of these rounds cost; this and what follows from it: None where no costs were watched."""
    efficiency: Estimate | None
    """walltime_speedup / predicted_speedup."""
    iid_speedup: float | None
    """As predicted_speedup, from acceptance_rate and draft cost alone."""
    cost: CostReport | None
    why_not_faster: WhyNotFaster | None
    best_gamma: BestGamma | None
    win_probability: float | None = None
    """In how many resamples no other arm and not plain decoding is faster; None where it was not worked out."""
    tokens_per_s: Estimate
    baseline_tokens_per_s: Estimate
    acceptance_rate: Estimate
    draft_utilization: Estimate
    block_efficiency: Estimate
    accepted_per_round: Estimate
    acceptance_at: list[float]
    positions: list[PositionReport]
    acceptance_by: list[AcceptanceGroup]
    """Of sub-category and place always; of token class and entropy where tokens were recorded."""
    identical: int
    compared: int
    divergences: list[DivergenceReport]


class NativeReport(BaseModel):
    """The engine's own `generate` beside our baseline, prefill included in both."""

    tokens_per_s: Estimate
    baseline_tokens_per_s: Estimate
    identical: int
    compared: int
    num_failed: int


class BaselineReport(BaseModel):
    """Plain decoding, over all prompts."""

    tokens_per_s: Estimate
    num_failed: int
    """Of the baseline, and of the decodes that repeat it to measure the noise."""


class PrecisionReport(BaseModel):
    """What `--until` asked for, and what was reached."""

    until: float
    half_width: float | None
    """Of the widest interval of a speed-up over all prompts, as a share of its value."""
    repetitions: int
    end: End | None
    """Why the run ended; None where it is to go on."""


class Report(BaseModel):
    """Everything that is known of a run."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: int = Field(default=SCHEMA_VERSION, serialization_alias="schema")
    run: str
    target: str
    complete: bool
    exact_rows: int | None
    """Rows of every target pass in exact mode, where plain decoding is slowed down on purpose; else None."""
    baseline: BaselineReport
    native: NativeReport | None
    arms: list[ArmReport]
    noise_floor: Estimate | None
    """The baseline against itself; None where it was decoded once only."""
    drift: Estimate | None
    """Speed of the baseline at the end over that at the beginning; None where the two were not measured."""
    machine: MachineReport | None
    precision: PrecisionReport | None
    servers: list[ServedReport]
    why: list[WhyReport]
    """Why categories are not accepted alike; empty where tokens were not recorded."""

    @property
    def has_failures(self) -> bool:
        """Whether any decode failed."""
        native = self.native.num_failed if self.native else 0
        return bool(self.baseline.num_failed or native or any(arm.num_failed for arm in self.arms))

    @property
    def holds(self) -> bool:
        """No decode failed, and no greedy text differs for a reason other than rounding."""
        return not self.has_failures and all(d.kind != "real" for arm in self.arms for d in arm.divergences)

    def _repr_html_(self) -> str:
        from draftlab.report.notebook import report_html

        return report_html(self)


def measure(store: Store) -> Report:
    """Read a run, finished or not, and compute its figures."""
    run = Run.read(store)
    base = run.traces_of(run.baseline)
    again = [trace for arm in run.arms("control", "closing") for trace in run.traces_of(arm)]
    native = [trace for arm in run.arms("native") for trace in run.traces_of(arm)]
    plain = Pairs.match(base, base).base()
    floor = noise_floor(run)
    wins = {category: win_probabilities(run, category) for category in categories(run.manifest)}
    precision = _precision(run)
    return Report(
        run=run.folder,
        target=str(run.manifest.target["source"]),
        complete=_is_complete(run, precision),
        exact_rows=run.manifest.target.get("fixed_rows"),
        baseline=BaselineReport(tokens_per_s=estimate(tokens_per_s, plain), num_failed=_num_failed([*base, *again])),
        native=_measure_native(Pairs.match(base, native), run, _num_failed(native)) if native else None,
        arms=[
            measure_arm(arm, category, run, floor).model_copy(update={"win_probability": wins[category].get(arm.id)})
            for arm in run.arms("drafted")
            for category in wins
        ],
        noise_floor=floor,
        drift=drift(run),
        machine=machine_load(run.samples),
        precision=precision,
        servers=measure_servers(run),
        why=explain(run),
    )


def is_complete(run: Run) -> bool:
    """Whether every planned decode has a trace, those of a further round that was begun included."""
    return _is_complete(run, _precision(run))


def _is_complete(run: Run, precision: PrecisionReport | None) -> bool:
    return _has_whole_rounds(run) if precision is None else precision.end is not None


def _has_whole_rounds(run: Run) -> bool:
    repetitions = rounds_begun(run.traces, run.manifest.repetitions) if run.manifest.goal else None
    return run.is_watched and {trace.key for trace in run.traces} == run.manifest.expected_keys(repetitions)


def _precision(run: Run) -> PrecisionReport | None:
    goal = run.manifest.goal
    if goal is None:
        return None
    found = progress(goal, run.manifest.arms, run.traces, run.manifest.repetitions)
    return PrecisionReport(
        until=goal.half_width,
        half_width=found.half_width,
        repetitions=found.repetitions,
        end=found.end if _has_whole_rounds(run) else None,  # a round is judged when it is whole
    )


def measure_arm(arm: Arm, category: str, run: Run, floor: Estimate | None) -> ArmReport:
    """The figures of one arm over the prompts of one category; `floor` is the run's noise floor."""
    pairs = run.pairs(arm, category)
    speedup = pairs.walltime_speedup()
    plain, drafted = pairs.base(), all_or_none(pairs.arm())
    decodes = [[theirs for _, theirs in both] for both in pairs.by_prompt.values()]
    # Sampled texts of one law may differ, unless their noise is coupled; greedy ones have to be equal.
    comparable = arm.coupled or run.is_greedy
    divergences = _divergences(pairs, run.examined) if comparable else []
    compared = len(pairs.all()) if comparable else 0
    known = predict(arm, pairs, run)
    adapts = arm.draft_length == "auto"
    return ArmReport(
        drafter=arm.drafter,
        gamma=arm.gamma,
        draft_length=arm.draft_length,
        rule=arm.rule,
        lossless=arm.lossless,
        category=category,
        num_prompts=len(pairs.by_prompt),
        num_failed=_num_failed(run.traces_of(arm, category)),
        walltime_speedup=speedup,
        within_noise=is_within_noise(speedup, floor),
        predicted_speedup=known.speedup if known else None,
        efficiency=known.efficiency if known else None,
        iid_speedup=known.iid_speedup if known else None,
        cost=known.report if known else None,
        why_not_faster=why_not_faster(known, speedup, adapts=adapts) if known else None,
        best_gamma=best_gamma(known, arm.gamma) if known and not adapts else None,
        **measure_times(pairs),
        tokens_per_s=estimate(tokens_per_s, drafted),
        baseline_tokens_per_s=estimate(tokens_per_s, plain),
        acceptance_rate=estimate(acceptance_rate, drafted),
        draft_utilization=estimate(draft_utilization, drafted),
        block_efficiency=estimate(block_efficiency, drafted),
        accepted_per_round=estimate(accepted_per_round, drafted),
        acceptance_at=acceptance_at(theirs for _, theirs in pairs.all()),
        positions=measure_positions(decodes),
        acceptance_by=measure_groups(run, arm, category, decodes),
        identical=compared - len(divergences),
        compared=compared,
        divergences=divergences,
    )


def _measure_native(pairs: Pairs, run: Run, num_failed: int) -> NativeReport:
    compared = len(pairs.all()) if run.is_greedy else 0
    return NativeReport(
        tokens_per_s=estimate(tokens_per_s_with_prefill, pairs.arm()),
        baseline_tokens_per_s=estimate(tokens_per_s_with_prefill, pairs.base()),
        identical=compared - len(_divergences(pairs, {})) if compared else 0,
        compared=compared,
        num_failed=num_failed,
    )


def _divergences(pairs: Pairs, examined: Mapping[TraceKey, Divergence]) -> list[DivergenceReport]:
    """Every pair whose texts differ, with the first place and what is known of it."""
    found = []
    for ours, theirs in pairs.all():
        at = first_difference(content(ours), content(theirs))
        if at is not None:
            known = examined.get(theirs.key)
            found.append(
                DivergenceReport(
                    prompt_id=ours.prompt_id,
                    repetition=ours.repetition,
                    position=at,
                    margin=known.margin if known else None,
                    kind=known.kind if known else None,
                )
            )
    return found


def _num_failed(traces: Iterable[Trace]) -> int:
    return sum(trace.status == "failed" for trace in traces)


def estimate(ratio: Ratio, counts: Sequence[Counts]) -> Estimate:
    """A measure over prompts, with its interval."""
    return ratio_of_sums([ratio.above(c) for c in counts], [ratio.below(c) for c in counts])
