"""The figures of a run, computed from its traces; the document that `--json` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from draftlab.metrics import Counts, acceptance_at, count, first_difference
from draftlab.records import SCHEMA_VERSION, Arm, RunManifest, Trace
from draftlab.stats import Estimate, ratio_of_ratios, ratio_of_sums
from draftlab.store import Store


class Divergence(BaseModel):
    """Where an arm's text leaves the baseline's. `margin` and `kind` are None where they were not examined."""

    prompt_id: str
    repetition: int
    position: int
    margin: float | None = None
    kind: str | None = Field(default=None, serialization_alias="class")


class ArmReport(BaseModel):
    """One arm over the prompts of one category."""

    drafter: str
    gamma: int
    rule: str
    lossless: bool
    category: str
    num_prompts: int
    num_failed: int
    walltime_speedup: Estimate
    tokens_per_s: Estimate
    baseline_tokens_per_s: Estimate
    acceptance_rate: Estimate
    draft_utilization: Estimate
    block_efficiency: Estimate
    acceptance_at: list[float]
    identical: int
    compared: int
    divergences: list[Divergence]


class NativeReport(BaseModel):
    """The engine's own `generate` beside our baseline, prefill included in both."""

    tokens_per_s: Estimate
    baseline_tokens_per_s: Estimate
    identical: int
    compared: int


class BaselineReport(BaseModel):
    """Plain decoding, over all prompts."""

    tokens_per_s: Estimate
    num_failed: int


class Report(BaseModel):
    """Everything that is known of a run."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: int = Field(default=SCHEMA_VERSION, serialization_alias="schema")
    run: str
    target: str
    complete: bool
    baseline: BaselineReport
    native: NativeReport | None
    arms: list[ArmReport]
    noise_floor: Estimate | None = None


@dataclass(frozen=True)
class _Pair:
    """One prompt: its counts in the baseline and in an arm, over the repetitions that succeeded in both."""

    base: Counts
    arm: Counts


def measure(store: Store) -> Report:
    """Read a run, finished or not, and compute its figures."""
    manifest = store.manifest()
    traces = list(store.traces())
    by_arm: dict[str, list[Trace]] = {arm.id: [] for arm in manifest.arms}
    for trace in traces:
        by_arm[trace.arm].append(trace)
    baseline = next(arm for arm in manifest.arms if arm.role == "baseline")
    base = by_arm[baseline.id]
    native = next((by_arm[arm.id] for arm in manifest.arms if arm.role == "native"), None)
    drafted = [arm for arm in manifest.arms if arm.role == "drafted"]
    return Report(
        run=str(store.folder),
        target=str(manifest.target["source"]),
        complete=len(traces) == _num_expected(manifest),
        baseline=BaselineReport(tokens_per_s=_rate([count([t]) for t in base]), num_failed=_num_failed(base)),
        native=_measure_native(base, native, manifest) if native else None,
        arms=[
            _measure_arm(
                arm, category, _of(category, base, manifest), _of(category, by_arm[arm.id], manifest), manifest
            )
            for arm in drafted
            for category in categories(manifest)
        ],
    )


def categories(manifest: RunManifest) -> list[str]:
    """The categories of a run in the order of its prompts, then `all`."""
    found = list(dict.fromkeys(prompt.category for prompt in manifest.prompts))
    return [*found, "all"] if len(found) > 1 else ["all"]


def _measure_arm(arm: Arm, category: str, base: list[Trace], traces: list[Trace], manifest: RunManifest) -> ArmReport:
    pairs = _pair(base, traces)
    arms = [pair.arm for pair in pairs]
    divergences, compared = _compare(base, traces) if arm.coupled or _is_greedy(manifest) else ([], 0)
    return ArmReport(
        drafter=arm.drafter,
        gamma=arm.gamma,
        rule=arm.rule,
        lossless=arm.lossless,
        category=category,
        num_prompts=len(pairs),
        num_failed=_num_failed(traces),
        walltime_speedup=ratio_of_ratios(
            ([pair.base.decode_ns for pair in pairs], [pair.base.tokens for pair in pairs]),
            ([pair.arm.decode_ns for pair in pairs], [pair.arm.tokens for pair in pairs]),
        ),
        tokens_per_s=_rate(arms),
        baseline_tokens_per_s=_rate([pair.base for pair in pairs]),
        acceptance_rate=_ratio(arms, lambda c: c.accepted, lambda c: c.judged),
        draft_utilization=_ratio(arms, lambda c: c.accepted, lambda c: c.drafted),
        block_efficiency=_ratio(arms, lambda c: c.accepted + c.rounds, lambda c: c.rounds),
        acceptance_at=acceptance_at(traces),
        identical=compared - len(divergences),
        compared=compared,
        divergences=divergences,
    )


def _measure_native(base: list[Trace], native: list[Trace], manifest: RunManifest) -> NativeReport:
    pairs = _pair(base, native)
    divergences, compared = _compare(base, native) if _is_greedy(manifest) else ([], 0)
    return NativeReport(
        tokens_per_s=_rate([pair.arm for pair in pairs], whole=True),
        baseline_tokens_per_s=_rate([pair.base for pair in pairs], whole=True),
        identical=compared - len(divergences),
        compared=compared,
    )


def _is_greedy(manifest: RunManifest) -> bool:
    """Sampled texts of one law may differ, unless their noise is coupled; greedy ones have to be equal."""
    return manifest.sampling.temperature == 0.0


def _pair(base: list[Trace], other: list[Trace]) -> list[_Pair]:
    """Per prompt, the repetitions that both have; a prompt that failed in one counts in neither."""
    theirs = {(t.prompt_id, t.repetition): t for t in other if t.status == "ok"}
    pairs: dict[str, _Pair] = {}
    for trace in base:
        twin = theirs.get((trace.prompt_id, trace.repetition))
        if trace.status == "ok" and twin is not None:
            so_far = pairs.get(trace.prompt_id, _Pair(Counts(), Counts()))
            pairs[trace.prompt_id] = _Pair(so_far.base + count([trace]), so_far.arm + count([twin]))
    return list(pairs.values())


def _compare(base: list[Trace], other: list[Trace]) -> tuple[list[Divergence], int]:
    theirs = {(t.prompt_id, t.repetition): t for t in other if t.status == "ok"}
    compared = 0
    divergences = []
    for trace in base:
        twin = theirs.get((trace.prompt_id, trace.repetition))
        if trace.status == "ok" and twin is not None:
            compared += 1
            at = first_difference(trace.tokens, twin.tokens)
            if at is not None:
                divergences.append(Divergence(prompt_id=trace.prompt_id, repetition=trace.repetition, position=at))
    return divergences, compared


def _of(category: str, traces: list[Trace], manifest: RunManifest) -> list[Trace]:
    ids = {p.id for p in manifest.prompts if category in ("all", p.category)}
    return [trace for trace in traces if trace.prompt_id in ids]


def _num_expected(manifest: RunManifest) -> int:
    natives = sum(arm.role == "native" for arm in manifest.arms)
    others = len(manifest.arms) - natives
    return len(manifest.prompts) * (others * manifest.repetitions + natives)


def _num_failed(traces: Iterable[Trace]) -> int:
    return sum(trace.status == "failed" for trace in traces)


def _rate(counts: Sequence[Counts], whole: bool = False) -> Estimate:
    """Tokens per second of decode time; of decode and prefill time where `whole`."""
    return _ratio(counts, lambda c: c.tokens * 1e9, lambda c: c.decode_ns + (c.prefill_ns if whole else 0))


def _ratio(counts: Sequence[Counts], above: Callable[[Counts], float], below: Callable[[Counts], float]) -> Estimate:
    return ratio_of_sums([above(c) for c in counts], [below(c) for c in counts])
