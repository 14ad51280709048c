"""Two runs side by side, paired by prompt: the figures of both, how they changed, and the document of `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.errors import DraftlabError
from draftlab.metrics import (
    Counts,
    Ratio,
    acceptance_rate,
    all_or_none,
    block_efficiency,
    content,
    draft_utilization,
    tokens_per_s,
)
from draftlab.pairs import time_per_token
from draftlab.records import SCHEMA_VERSION, Arm, Trace
from draftlab.report.comparable import differences, notes, shared_prompts
from draftlab.report.measure import ArmReport, is_complete, measure_arm
from draftlab.report.names import gamma_of
from draftlab.report.noise import noise_floor
from draftlab.report.reading import Run, categories
from draftlab.stats import Estimate, Sums, difference_of_ratios, ratio_of_products, ratio_of_ratios
from draftlab.store import Store

Verdict = Literal["faster", "slower", "no difference seen", "too few prompts"]


class RunSummary(BaseModel):
    """One of the runs, and how it differs from the reference."""

    run: str
    target: str
    created: str
    complete: bool
    differences: list[str] = []
    """What forbids a comparison that was asked for anyway."""
    notes: list[str] = []


class ArmComparison(BaseModel):
    """One arm over the prompts of one category, in the reference and in another run, over the decodes of both.

    A ratio is the other run's figure over the reference's, a difference is the other run's less the reference's.
    """

    run: str
    category: str
    verdict: Verdict
    """Of the ratio of the speed-ups, which is free of what slows a whole run down."""
    num_prompts: int
    arm: ArmReport
    reference: ArmReport
    walltime_speedup_ratio: Estimate
    tokens_per_s_ratio: Estimate
    baseline_tokens_per_s_ratio: Estimate
    acceptance_rate_difference: Estimate
    draft_utilization_difference: Estimate
    block_efficiency_difference: Estimate
    same_texts: int
    """Texts of the arm that are those of the reference's arm."""
    same_texts_compared: int
    baseline_same_texts: int
    baseline_same_texts_compared: int


class Comparison(BaseModel):
    """All runs against the first."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: int = Field(default=SCHEMA_VERSION, serialization_alias="schema")
    reference: RunSummary
    runs: list[RunSummary]
    arms: list[ArmComparison]


def compare(stores: Sequence[Store], *, anyway: bool = False) -> Comparison:
    """Hold every run against the first; `anyway` compares what they share where they decode different things."""
    if len(stores) < 2:
        raise DraftlabError("a comparison needs two runs", "The first is the reference: draftlab compare RUN RUN.")
    folders = [str(store.folder) for store in stores[1:]]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise DraftlabError(f"{twice[0]} is given twice", "Only the reference may be compared with itself.")
    reference, *others = [Run.read(store) for store in stores]
    summaries = [_summary(run, differences(reference.manifest, run.manifest), _notes(reference, run)) for run in others]
    apart = [summary for summary in summaries if summary.differences]
    if apart and not anyway:
        reasons = "; and ".join(f"{summary.run}: {'; '.join(summary.differences)}" for summary in apart)
        raise DraftlabError(
            f"cannot be compared with {reference.folder}: {reasons}",
            "Pass --anyway to compare the prompts and arms that they share.",
        )
    return Comparison(
        reference=_summary(reference),
        runs=summaries,
        arms=[entry for run in others for entry in _against(reference, run)],
    )


def match_arms(reference: Run, other: Run) -> list[tuple[Arm, Arm]]:
    """The arms that are one and the same in both; where each run has a single one, those two."""
    ours, theirs = reference.arms("drafted"), other.arms("drafted")
    if len(ours) == len(theirs) == 1:
        return [(ours[0], theirs[0])]
    named = {_name(arm): arm for arm in theirs}
    return [(arm, named[_name(arm)]) for arm in ours if _name(arm) in named]


def _name(arm: Arm) -> tuple[str, str, str]:
    return arm.drafter, gamma_of(arm), arm.rule


def _written(arms: Iterable[Arm]) -> str:
    return " and ".join(f"{arm.drafter} gamma {gamma_of(arm)} {arm.rule}" for arm in arms) or "none"


def _summary(run: Run, apart: Sequence[str] = (), noted: Sequence[str] = ()) -> RunSummary:
    return RunSummary(
        run=run.folder,
        target=str(run.manifest.target["source"]),
        created=run.manifest.created,
        complete=is_complete(run),
        differences=list(apart),
        notes=list(noted),
    )


def _notes(reference: Run, other: Run) -> list[str]:
    found = notes(reference.manifest, other.manifest)
    pairs = match_arms(reference, other)
    for run, place, matched in (
        (reference, "the reference", [ours for ours, _ in pairs]),
        (other, "this run", [theirs for _, theirs in pairs]),
    ):
        alone = [arm for arm in run.arms("drafted") if arm not in matched]
        found += [f"only in {place}, and not compared: {_written(alone)}"] if alone else []
    return found


def _against(reference: Run, other: Run) -> list[ArmComparison]:
    """Every arm and category that two runs share."""
    pairs = match_arms(reference, other)
    if not pairs:
        raise DraftlabError(
            f"{other.folder} and {reference.folder} have no arm in common: {_written(other.arms('drafted'))} against "
            f"{_written(reference.arms('drafted'))}",
            "Arms are matched by drafter, gamma and rule, unless each run has a single one.",
        )
    if not shared_prompts(reference.manifest, other.manifest):
        raise DraftlabError(
            f"{other.folder} and {reference.folder} have no prompt in common", "Bench both on the same suites."
        )
    found = []
    for arms in pairs:
        both = _shared(reference, other, arms)
        floors = noise_floor(both[0]), noise_floor(both[1])
        found += [_compare_arm(both, arms, floors, category) for category in categories(both[0].manifest)]
    return found


def _shared(reference: Run, other: Run, arms: tuple[Arm, Arm]) -> tuple[Run, Run]:
    """Both runs with nothing but the decodes that succeeded in both, plainly and drafted, in one order.

    Failed ones stay too: they count, and are no part of a figure. Prompts have the reference's categories.
    """
    prompts = shared_prompts(reference.manifest, other.manifest)
    place = {prompt.id: i for i, prompt in enumerate(prompts)}
    runs = list(zip((reference, other), arms, strict=True))
    done = [{(t.prompt_id, t.repetition) for t, _ in run.pairs(arm).all()} for run, arm in runs]
    wanted = done[0] & done[1]

    def reduced(run: Run, arm: Arm) -> Run:
        ids = {run.baseline.id, arm.id, *(control.id for control in run.arms("control"))}
        kept = [
            trace
            for trace in run.traces
            if trace.prompt_id in place
            and trace.arm in ids
            and (trace.status == "failed" or (trace.prompt_id, trace.repetition) in wanted)
        ]
        kept.sort(key=lambda trace: (place[trace.prompt_id], trace.repetition))
        return replace(run, manifest=run.manifest.model_copy(update={"prompts": tuple(prompts)}), traces=kept)

    return reduced(*runs[0]), reduced(*runs[1])


def _compare_arm(
    both: tuple[Run, Run], arms: tuple[Arm, Arm], floors: tuple[Estimate | None, Estimate | None], category: str
) -> ArmComparison:
    reference, other = (run.pairs(arm, category) for run, arm in zip(both, arms, strict=True))
    plain = reference.base(), other.base()
    drafted = all_or_none(reference.arm()), all_or_none(other.arm())
    speedup_ratio = ratio_of_products(
        (time_per_token(plain[1]), time_per_token(drafted[0])),
        (time_per_token(drafted[1]), time_per_token(plain[0])),
    )
    baseline_texts = _same_texts(both, (both[0].baseline, both[1].baseline), category)
    arm_texts = _same_texts(both, arms, category)
    return ArmComparison(
        run=both[1].folder,
        category=category,
        verdict=_verdict(speedup_ratio),
        num_prompts=len(other.by_prompt),
        arm=measure_arm(arms[1], category, both[1], floors[1]),
        reference=measure_arm(arms[0], category, both[0], floors[0]),
        walltime_speedup_ratio=speedup_ratio,
        tokens_per_s_ratio=ratio_of_ratios(_sums(tokens_per_s, drafted[1]), _sums(tokens_per_s, drafted[0])),
        baseline_tokens_per_s_ratio=ratio_of_ratios(_sums(tokens_per_s, plain[1]), _sums(tokens_per_s, plain[0])),
        acceptance_rate_difference=_difference(acceptance_rate, drafted),
        draft_utilization_difference=_difference(draft_utilization, drafted),
        block_efficiency_difference=_difference(block_efficiency, drafted),
        same_texts=sum(arm_texts),
        same_texts_compared=len(arm_texts),
        baseline_same_texts=sum(baseline_texts),
        baseline_same_texts_compared=len(baseline_texts),
    )


def _verdict(ratio: Estimate) -> Verdict:
    if ratio.low is None or ratio.high is None:
        return "too few prompts"
    return "faster" if ratio.low > 1 else "slower" if ratio.high < 1 else "no difference seen"


def _sums(ratio: Ratio, counts: Sequence[Counts]) -> Sums:
    return [ratio.above(c) for c in counts], [ratio.below(c) for c in counts]


def _difference(ratio: Ratio, drafted: tuple[Sequence[Counts], Sequence[Counts]]) -> Estimate:
    reference, other = drafted
    return difference_of_ratios(_sums(ratio, other), _sums(ratio, reference))


def _same_texts(both: tuple[Run, Run], arms: tuple[Arm, Arm], category: str) -> list[bool]:
    """For each decode of both runs, whether it gave the same text; empty where chance was another one.

    Sampled texts have to be equal where the seeds are and either the arm is the same, or the noise belongs to the
    places of the text (coupled) and not to the arm.
    """
    greedy = all(run.is_greedy for run in both)
    one, other = arms
    if not greedy:
        alike = both[0].manifest.sampling == both[1].manifest.sampling and one.coupled == other.coupled
        if not alike or not (one.coupled or _name(one) == _name(other)):
            return []

    def texts(run: Run, arm: Arm) -> dict[tuple[str, int], Trace]:
        return {(t.prompt_id, t.repetition): t for t in run.traces_of(arm, category) if t.status == "ok"}

    ours, theirs = texts(both[0], one), texts(both[1], other)
    return [
        content(trace) == content(theirs[key])
        for key, trace in ours.items()
        if key in theirs and (greedy or trace.seed == theirs[key].seed)
    ]
