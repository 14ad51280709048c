"""The speed-up that the costs of a run predict for the very rounds that it timed, to stand beside the measured one.

Where the two agree, the costs explain the speed-up, and what another draft length or a cheaper drafter would bring can
be read from them. The interval is that over prompts; the costs themselves are taken as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from pydantic import BaseModel

from draftlab.cost import CostModel, fit
from draftlab.metrics import acceptance_rate, count, tokens_per_round
from draftlab.pairs import Pairs
from draftlab.records import Arm
from draftlab.report.reading import Run
from draftlab.report.rounds import RoundCost, TimedRound, timed_rounds, total
from draftlab.stats import Estimate, ratio_of_ratios


class Growth(BaseModel):
    """Nanoseconds for each further token of the text."""

    one_row: float
    several_rows: float


class Shares(BaseModel):
    """What the arm's time goes to; the three sum to 1."""

    draft: float
    target: float
    rest: float


class CostReport(BaseModel):
    """What the parts of a round cost, in nanoseconds, at a text of `context` tokens."""

    context: float
    """The median over the arm's rounds."""
    target_ns: list[tuple[int, float]]
    """[rows, time] for each number of rows that was watched."""
    target_ns_per_context_token: Growth
    draft_ns: list[tuple[int, float]]
    """[drafted tokens, time]."""
    catch_up_ns: float
    """More than that, after a draft that was accepted in full."""
    rest_ns: list[tuple[int, float]]
    """[drafted tokens, time]: verdict, commit and rollback."""
    draft_cost: float | None
    """c: draft time per drafted token over a one-row pass; None where nothing was drafted."""
    one_to_two_rows: float | None
    """A two-row pass over a one-row pass; None where none of two rows was watched."""
    shares: Shares


@dataclass(frozen=True)
class Work:
    """One prompt: all its decodes by the baseline and by the arm, in pairs."""

    plain: list[TimedRound]
    drafted: list[list[TimedRound]]
    """A list for each decode."""
    plain_ns: int
    drafted_ns: int

    @property
    def rounds(self) -> list[TimedRound]:
        """Of the arm, all decodes after one another."""
        return [each for decode in self.drafted for each in decode]

    @property
    def num_plain_tokens(self) -> int:
        """Of the baseline."""
        return sum(each.emitted for each in self.plain)


@dataclass(frozen=True)
class Prediction:
    """What the costs say of an arm, and what they say it from."""

    costs: CostModel
    works: list[Work]
    speedup: Estimate
    efficiency: Estimate
    iid_speedup: float | None
    report: CostReport

    @property
    def rounds(self) -> list[TimedRound]:
        """All rounds of the arm."""
        return [each for work in self.works for each in work.rounds]

    @property
    def plain_ns_per_token(self) -> float:
        """Of the baseline, as predicted."""
        return sum(predict_plain(self.costs, work) for work in self.works) / sum(w.num_plain_tokens for w in self.works)


def predict(arm: Arm, pairs: Pairs, run: Run) -> Prediction | None:
    """For one arm on these pairs; None where its rounds or the baseline's were not watched, or say nothing."""
    costs = _costs(arm, run)
    works = _works(arm, pairs, run) if costs else []
    if costs is None or not any(work.rounds for work in works):
        return None
    if costs.target.sizes[-1] == 1 and any(each.drafted for work in works for each in work.rounds):
        return None  # it drafted, and never where it was watched: what several rows cost is not known
    plain = [predict_plain(costs, work) for work in works]
    drafted = [total(work.rounds, round_cost(costs)) for work in works]
    tokens = [work.num_plain_tokens for work in works], [sum(r.emitted for r in work.rounds) for work in works]
    speedup = ratio_of_ratios((plain, tokens[0]), (drafted, tokens[1]))
    if not speedup.value:
        return None
    measured = [work.plain_ns for work in works], [work.drafted_ns for work in works]
    report = _report(costs, [each for work in works for each in work.rounds])
    alpha = acceptance_rate(count(theirs for _, theirs in pairs.all()))
    return Prediction(
        costs=costs,
        works=works,
        speedup=speedup,
        efficiency=ratio_of_ratios((measured[0], measured[1]), (plain, drafted)),
        iid_speedup=iid_speedup(alpha, report.draft_cost, arm.gamma) if arm.draft_length == "fixed" else None,
        report=report,
    )


def iid_speedup(acceptance: float | None, draft_cost: float | None, gamma: int) -> float | None:
    """Every token accepted alike and independently, verification for nothing (Leviathan et al. 2023, theorem 3.8)."""
    if acceptance is None or draft_cost is None:
        return None
    return tokens_per_round(acceptance, gamma) / (gamma * draft_cost + 1)


def round_cost(costs: CostModel) -> RoundCost:
    """A whole round."""
    return lambda drafted, context, late: costs.round_ns(drafted, context, catches_up=late)


def predict_plain(costs: CostModel, work: Work) -> float:
    """The time of the baseline's steps."""
    return total(work.plain, lambda _, context, __: costs.plain_ns(context))


def draft_ns(costs: CostModel) -> RoundCost:
    """The draft of a round."""
    return lambda drafted, context, late: costs.draft(drafted, context) + (costs.catch_up if late and drafted else 0.0)


def _costs(arm: Arm, run: Run) -> CostModel | None:
    watched = [p for p in run.phases if p.arm in (arm.id, run.baseline.id) and p.draft_ns]
    has_plain_steps = any(0 in p.rounds.drafted for p in watched if p.arm == run.baseline.id)
    is_watched = has_plain_steps and any(p.arm == arm.id for p in watched)
    return fit(watched, plain=run.baseline.id) if is_watched else None


def _works(arm: Arm, pairs: Pairs, run: Run) -> list[Work]:
    prompts = {prompt.id: prompt for prompt in run.manifest.prompts}
    adapts = arm.draft_length == "auto"
    return [
        Work(
            plain=[each for ours, _ in found for each in timed_rounds(ours, prompts[name], 0)],
            drafted=[timed_rounds(theirs, prompts[name], arm.gamma, adapts=adapts) for _, theirs in found],
            plain_ns=sum(ours.decode_ns or 0 for ours, _ in found),
            drafted_ns=sum(theirs.decode_ns or 0 for _, theirs in found),
        )
        for name, found in pairs.by_prompt.items()
    ]


def _report(costs: CostModel, rounds: Sequence[TimedRound]) -> CostReport:
    at = median(each.context for each in rounds)
    one_row = total(rounds, lambda _, context, __: costs.target(1, context))
    draft = total(rounds, draft_ns(costs))
    target = total(rounds, lambda drafted, context, _: costs.target(drafted + 1, context))
    rest = total(rounds, lambda drafted, context, _: costs.rest(drafted, context))
    drafted, everything = sum(each.drafted for each in rounds), draft + target + rest
    rows = costs.target.sizes
    return CostReport(
        context=at,
        target_ns=[(size, costs.target(size, at)) for size in rows],
        target_ns_per_context_token=Growth(
            one_row=costs.target.growth(1), several_rows=costs.target.growth(max(rows[-1], 2))
        ),
        draft_ns=[(size, costs.draft(size, at)) for size in costs.draft.sizes],
        catch_up_ns=costs.catch_up,
        rest_ns=[(size, costs.rest(size, at)) for size in costs.rest.sizes],
        draft_cost=(draft / drafted) / (one_row / len(rounds)) if drafted and one_row else None,
        one_to_two_rows=costs.target(2, at) / costs.target(1, at) if 2 in rows and costs.target(1, at) else None,
        shares=Shares(draft=draft / everything, target=target / everything, rest=rest / everything),
    )
