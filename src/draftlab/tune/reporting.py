"""From candidates to what is reported of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from draftlab.stats import MIN_PROMPTS, ratio_of_sums, win_probability
from draftlab.tune.candidates import Replays
from draftlab.tune.findings import (
    CandidateFinding,
    Confirmation,
    DrafterFinding,
    Recommendation,
    TuningReport,
)
from draftlab.tune.ranking import Candidate, break_even, choose, speedup
from draftlab.tune.study import Study

_UNSTEADY = 0.2
_EXACT_DTYPES = ("float32", "float64")


def make_report(
    study: Study,
    replays: Replays,
    candidates: Sequence[Candidate],
    arms: Sequence[Candidate],
    seconds: Mapping[str, float],
    confirmation: Confirmation | None,
    notes: Sequence[str] = (),
) -> TuningReport:
    """All that is said; `arms` are those that a real run confirms, the recommended one first."""
    plain = replays.plain_ns()
    ranked = sorted(candidates, key=lambda candidate: candidate.total_ns)
    chosen = choose(plain, candidates)
    second = arms[1] if chosen is not None and len(arms) > 1 else None
    experiment, target = study.bench.experiment, study.bench.target
    return TuningReport(
        target=experiment.target,
        dtype=str(target.description["dtype"]),
        sampling=study.bench.sampling,
        rule=experiment.rule,
        num_prompts=len(replays.texts),
        num_tokens=sum(len(text.tokens) for text in replays.texts),
        max_gamma=study.max_gamma,
        drafters=tuple(_drafter(subject.reference, replays, plain, ranked) for subject in study.subjects),
        candidates=tuple(
            _candidate(c, plain, ranked[1] if c is ranked[0] and len(ranked) > 1 else ranked[0]) for c in ranked
        ),
        recommendation=None if chosen is None else _recommendation(chosen, second, replays, plain),
        runner_up=None if second is None else _recommendation(second, chosen, replays, plain),
        confirmation=confirmation,
        notes=(*_notes(study, replays, confirmation), *notes),
        seconds=dict(seconds),
    )


def _candidate(candidate: Candidate, plain: Sequence[float], other: Candidate) -> CandidateFinding:
    return CandidateFinding(
        drafter=candidate.drafter,
        policy=candidate.policy,
        gamma=candidate.gamma,
        predicted_speedup=speedup(plain, candidate),
        block_efficiency=candidate.block_efficiency(),
        acceptance_rate=candidate.acceptance_rate(),
        win_probability=win_probability(candidate.ns, other.ns),
    )


def _drafter(reference: str, replays: Replays, plain: Sequence[float], ranked: Sequence[Candidate]) -> DrafterFinding:
    oracle = ratio_of_sums(plain, replays.oracle_ns(reference))
    best = next(candidate for candidate in ranked if candidate.base == reference)
    reached = speedup(plain, best).value
    assert oracle.value is not None and reached is not None, "decoding takes time"
    price, context = replays.prices[reference], _middle(replays)
    longest = max(candidate.gamma for candidate in ranked)
    return DrafterFinding(
        drafter=reference,
        round_ms=(
            price.plain_ns(context) / 1e6,
            *(price.round_ns(num, context) / 1e6 for num in range(1, longest + 1)),
        ),
        oracle_speedup=oracle,
        oracle_share=max(0.0, reached - 1.0) / (oracle.value - 1.0) if oracle.value > 1.0 else None,
    )


def _recommendation(
    candidate: Candidate, other: Candidate | None, replays: Replays, plain: Sequence[float]
) -> Recommendation:
    price, context = replays.prices[candidate.base], _middle(replays)
    return Recommendation(
        drafter=candidate.drafter,
        gamma=candidate.gamma,
        predicted_speedup=speedup(plain, candidate),
        acceptance_rate=candidate.acceptance_rate().value,
        break_even=break_even(candidate.gamma, price.round_ns(candidate.gamma, context) / price.plain_ns(context)),
        win_probability=None if other is None else win_probability(candidate.ns, other.ns),
    )


def _middle(replays: Replays) -> float:
    return float(round(median(len(text.prompt) + len(text.tokens) / 2 for text in replays.texts)))


def _notes(study: Study, replays: Replays, confirmation: Confirmation | None) -> list[str]:
    notes = []
    if len(replays.texts) < MIN_PROMPTS:
        notes.append(f"fewer than {MIN_PROMPTS} prompts were tuned on: there are no intervals, and this is a guess")
    unsteadiness = max(price.unsteadiness for price in replays.prices.values())
    if unsteadiness > _UNSTEADY:
        notes.append(
            f"while rounds were timed, the same pass of the target took up to {unsteadiness:.0%} longer at one time "
            "than at another: predictions are no better than that; tune again while it is quiet, or with a larger "
            "--budget"
        )
    if confirmation is not None and confirmation.same_prompts:
        notes.append(
            f"{confirmation.same_prompts} of {confirmation.num_prompts} confirming prompts were tuned on as well: what "
            "was chosen for them looks better on them than it is; give others with --confirm, or more prompts"
        )
    dtype = str(study.bench.target.description["dtype"])
    if dtype not in _EXACT_DTYPES:
        notes.append(
            f"drafts were replayed in passes over many rows, which round differently in {dtype}: a few tokens may be "
            "accepted that really are not, or the other way round"
        )
    if study.is_drawn and study.bench.experiment.rule != "rejection":
        notes.append(
            f"when sampling, rounds are replayed as the rule rejection has them; {study.bench.experiment.rule} may "
            "accept more"
        )
    return notes
