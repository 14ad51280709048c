"""The figures of a run, computed from its traces; the document that `--json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.metrics import (
    Counts,
    Ratio,
    acceptance_at,
    acceptance_rate,
    block_efficiency,
    count,
    draft_utilization,
    first_difference,
    tokens_per_s,
    tokens_per_s_with_prefill,
)
from draftlab.records import SCHEMA_VERSION, Arm, Divergence, RunManifest, Trace, TraceKey
from draftlab.stats import Estimate, ratio_of_ratios, ratio_of_sums
from draftlab.store import Store


class DivergenceReport(BaseModel):
    """Where an arm's text leaves the baseline's. Margin and class are None where they were not examined."""

    prompt_id: str
    repetition: int
    position: int
    margin: float | None = None
    kind: Literal["tie", "rounding", "real"] | None = Field(default=None, serialization_alias="class")


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
    noise_floor: Estimate | None = None

    @property
    def has_failures(self) -> bool:
        """Whether any decode failed."""
        native = self.native.num_failed if self.native else 0
        return bool(self.baseline.num_failed or native or any(arm.num_failed for arm in self.arms))

    @property
    def holds(self) -> bool:
        """No decode failed, and no greedy text differs for a reason other than rounding."""
        return not self.has_failures and all(d.kind != "real" for arm in self.arms for d in arm.divergences)


@dataclass(frozen=True)
class _Pairs:
    """Decodes of a baseline and of an arm that belong together, prompt by prompt.

    A repetition that failed in one counts in neither, so that both are measured on the same work.
    """

    by_prompt: dict[str, list[tuple[Trace, Trace]]]

    @classmethod
    def match(cls, base: Iterable[Trace], other: Iterable[Trace]) -> _Pairs:
        theirs = {(t.prompt_id, t.repetition): t for t in other if t.status == "ok"}
        found: dict[str, list[tuple[Trace, Trace]]] = {}
        for trace in base:
            twin = theirs.get((trace.prompt_id, trace.repetition))
            if trace.status == "ok" and twin is not None:
                found.setdefault(trace.prompt_id, []).append((trace, twin))
        return cls(found)

    def base(self) -> list[Counts]:
        """The baseline's counts, one entry per prompt."""
        return [count(ours for ours, _ in pairs) for pairs in self.by_prompt.values()]

    def arm(self) -> list[Counts]:
        """The arm's counts, one entry per prompt."""
        return [count(theirs for _, theirs in pairs) for pairs in self.by_prompt.values()]

    def all(self) -> list[tuple[Trace, Trace]]:
        """Every pair."""
        return [pair for pairs in self.by_prompt.values() for pair in pairs]

    def divergences(self, examined: Mapping[TraceKey, Divergence]) -> list[DivergenceReport]:
        """Every pair whose texts differ, with the first place and what is known of it."""
        found = []
        for ours, theirs in self.all():
            at = first_difference(ours.tokens, theirs.tokens)
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


def measure(store: Store) -> Report:
    """Read a run, finished or not, and compute its figures."""
    run = _Run.read(store)
    base = run.traces_of(run.arms("baseline")[0])
    native = [trace for arm in run.arms("native") for trace in run.traces_of(arm)]
    plain = _Pairs.match(base, base).base()
    return Report(
        run=str(store.folder),
        target=str(run.manifest.target["source"]),
        complete={trace.key for trace in run.traces} == run.manifest.expected_keys(),
        exact_rows=run.manifest.target.get("fixed_rows"),
        baseline=BaselineReport(tokens_per_s=_estimate(tokens_per_s, plain), num_failed=_num_failed(base)),
        native=_measure_native(_Pairs.match(base, native), run, _num_failed(native)) if native else None,
        arms=[_measure_arm(arm, category, run) for arm in run.arms("drafted") for category in categories(run.manifest)],
    )


@dataclass(frozen=True)
class _Run:
    """All that a run folder holds."""

    manifest: RunManifest
    traces: list[Trace]
    examined: dict[TraceKey, Divergence]

    @classmethod
    def read(cls, store: Store) -> _Run:
        return cls(store.manifest(), list(store.traces()), {d.key: d for d in store.divergences()})

    def arms(self, role: str) -> list[Arm]:
        return [arm for arm in self.manifest.arms if arm.role == role]

    def traces_of(self, arm: Arm, category: str = "all") -> list[Trace]:
        ids = {p.id for p in self.manifest.prompts if category in ("all", p.category)}
        return [trace for trace in self.traces if trace.arm == arm.id and trace.prompt_id in ids]

    @property
    def is_greedy(self) -> bool:
        return self.manifest.sampling.temperature == 0.0


def categories(manifest: RunManifest) -> list[str]:
    """The categories of a run in the order of its prompts, then `all`."""
    found = list(dict.fromkeys(prompt.category for prompt in manifest.prompts))
    return [*found, "all"] if len(found) > 1 else ["all"]


def _measure_arm(arm: Arm, category: str, run: _Run) -> ArmReport:
    traces = run.traces_of(arm, category)
    pairs = _Pairs.match(run.traces_of(run.arms("baseline")[0], category), traces)
    plain, drafted = pairs.base(), pairs.arm()
    # Sampled texts of one law may differ, unless their noise is coupled; greedy ones have to be equal.
    comparable = arm.coupled or run.is_greedy
    divergences = pairs.divergences(run.examined) if comparable else []
    compared = len(pairs.all()) if comparable else 0
    return ArmReport(
        drafter=arm.drafter,
        gamma=arm.gamma,
        rule=arm.rule,
        lossless=arm.lossless,
        category=category,
        num_prompts=len(pairs.by_prompt),
        num_failed=_num_failed(traces),
        walltime_speedup=ratio_of_ratios(
            ([c.decode_ns for c in plain], [c.tokens for c in plain]),
            ([c.decode_ns for c in drafted], [c.tokens for c in drafted]),
        ),
        tokens_per_s=_estimate(tokens_per_s, drafted),
        baseline_tokens_per_s=_estimate(tokens_per_s, plain),
        acceptance_rate=_estimate(acceptance_rate, drafted),
        draft_utilization=_estimate(draft_utilization, drafted),
        block_efficiency=_estimate(block_efficiency, drafted),
        acceptance_at=acceptance_at(theirs for _, theirs in pairs.all()),
        identical=compared - len(divergences),
        compared=compared,
        divergences=divergences,
    )


def _measure_native(pairs: _Pairs, run: _Run, num_failed: int) -> NativeReport:
    compared = len(pairs.all()) if run.is_greedy else 0
    return NativeReport(
        tokens_per_s=_estimate(tokens_per_s_with_prefill, pairs.arm()),
        baseline_tokens_per_s=_estimate(tokens_per_s_with_prefill, pairs.base()),
        identical=compared - len(pairs.divergences({})) if compared else 0,
        compared=compared,
        num_failed=num_failed,
    )


def _num_failed(traces: Iterable[Trace]) -> int:
    return sum(trace.status == "failed" for trace in traces)


def _estimate(ratio: Ratio, counts: Sequence[Counts]) -> Estimate:
    """A measure over prompts, with its interval."""
    return ratio_of_sums([ratio.above(c) for c in counts], [ratio.below(c) for c in counts])
