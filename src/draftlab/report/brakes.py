"""Why an arm is not faster: what its speed-up would be if one cause were removed and all else stayed.

The causes overlap: a drafter that costs nothing would also want longer drafts. So what they would give does not add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low
from typing import Literal

from pydantic import BaseModel

from draftlab.cost import Curve
from draftlab.report.prediction import Prediction, draft_ns, round_cost
from draftlab.report.rounds import RoundCost, TimedRound, chained, total
from draftlab.stats import Estimate

Cause = Literal["draft", "verification", "overhead", "acceptance", "short_outputs", "empty_drafts"]

CAUSES: dict[Cause, str] = {
    "draft": "time of drafting",
    "verification": "passes over several rows",
    "overhead": "time outside the models",
    "acceptance": "rejected tokens",
    "short_outputs": "short drafts at the end",
    "empty_drafts": "rounds without a draft",
}
"""Each in words."""


class Brake(BaseModel):
    """One cause."""

    cause: Cause
    speedup_if_removed: float
    gain: float
    """speedup_if_removed / predicted_speedup - 1."""


class WhyNotFaster(BaseModel):
    """All causes, what would give most first, and that one in words."""

    sentence: str
    causes: list[Brake]


class BestGamma(BaseModel):
    """The draft length, 0 (none) to the arm's own, for which the costs predict most."""

    gamma: int
    speedup: float


def why_not_faster(found: Prediction, measured: Estimate, *, adapts: bool = False) -> WhyNotFaster | None:
    """The causes for an arm whose speed-up is `measured`; None for one that drafted nothing.

    An arm whose draft length `adapts` drafts nothing by choice, which is no cause.
    """
    rounds, predicted = found.rounds, found.speedup.value
    if not predicted or not any(each.drafted for each in rounds):
        return None
    causes = [
        Brake(cause=cause, speedup_if_removed=speedup, gain=speedup / predicted - 1)
        for cause, speedup in _without(found, rounds).items()
        if not (adapts and cause == "empty_drafts")
    ]
    causes.sort(key=lambda brake: brake.gain, reverse=True)
    bound = measured.value if measured.high is None else measured.high  # slower: the whole interval lies below 1
    begin = "not faster because" if bound is not None and bound < 1 else "largest brake:"
    first = causes[0]
    return WhyNotFaster(
        sentence=f"{begin} {_in_words(first.cause, found)} {first.speedup_if_removed:.2f}x", causes=causes
    )


def best_gamma(found: Prediction, gamma: int) -> BestGamma | None:
    """From how far this arm's own drafts were accepted: each is cut short, and its round yields what was left of it.

    Rounds would begin at other places of the text; that they would be alike on average is the assumption.
    """
    rounds = found.rounds
    whole = sum(each.accepted + 1 for each in rounds)
    kept = sum(each.emitted for each in rounds) / whole if whole else 0.0
    if not kept:
        return None
    speedups = {0: 1.0}
    for length in range(1, gamma + 1):
        decodes = [[r.with_gamma(length) for r in decode] for work in found.works for decode in work.drafted]
        cut = [each for decode in decodes for each in chained(decode)]
        time, tokens = total(cut, round_cost(found.costs)), kept * sum(each.accepted + 1 for each in cut)
        speedups[length] = found.plain_ns_per_token * tokens / time
    best = max(speedups, key=lambda length: speedups[length])  # the shortest of equally good ones
    return BestGamma(gamma=best, speedup=speedups[best])


def _without(found: Prediction, rounds: Sequence[TimedRound]) -> dict[Cause, float]:
    """The speed-up without each cause; a cause that does not occur is left out."""
    costs, base = found.costs, found.plain_ns_per_token
    draft = draft_ns(costs)
    cheaper: dict[Cause, RoundCost] = {
        "draft": lambda n, at, _: costs.target(n + 1, at) + costs.rest(n, at),
        "verification": lambda n, at, late: (
            draft(n, at, late) + _as_cheap(costs.target, n + 1, 1, at) + costs.rest(n, at)
        ),
        "overhead": lambda n, at, late: draft(n, at, late) + costs.target(n + 1, at) + _as_cheap(costs.rest, n, 0, at),
    }
    tokens = sum(each.emitted for each in rounds)
    speedups = {cause: base * tokens / total(rounds, cost) for cause, cost in cheaper.items()}
    every_draft_kept = total(rounds, lambda n, at, _: costs.round_ns(n, at, catches_up=True))
    speedups["acceptance"] = base * sum(each.drafted + 1 for each in rounds) / every_draft_kept
    others: dict[Cause, list[TimedRound]] = {
        "short_outputs": [each for each in rounds if not each.is_tail],
        "empty_drafts": [each for each in rounds if each.drafted or each.is_tail],
    }
    for cause, some in others.items():
        if 0 < len(some) < len(rounds):
            speedups[cause] = base * sum(each.emitted for each in some) / total(some, round_cost(costs))
    return speedups


def _as_cheap(curve: Curve, size: int, least: int, context: float) -> float:
    """A time, or that of the smallest size if that is less."""
    return min(curve(size, context), curve(least, context))


def _in_words(cause: Cause, found: Prediction) -> str:
    rounds, costs, report = found.rounds, found.costs, found.report
    drafting = [each.drafted for each in rounds if each.drafted]
    usual = median_low(drafting)
    match cause:
        case "draft":
            return (
                f"each drafted token costs {report.draft_cost or 0:.2f} of a target pass; at no draft cost it would be"
            )
        case "verification":
            share = costs.target(usual + 1, report.context) / costs.target(1, report.context)
            return f"a target pass over {usual + 1} rows costs {share:.2f} of one over 1 row; at 1.00 it would be"
        case "overhead":
            return f"verdict and rollback take {report.shares.rest:.2f} of the time; as in plain decoding it would be"
        case "acceptance":
            kept = sum(each.accepted for each in rounds) / sum(drafting)
            return f"{kept:.2f} of the drafted tokens are accepted; with all of them it would be"
        case "short_outputs":
            share = sum(each.is_tail for each in rounds) / len(rounds)
            return f"{share:.2f} of the rounds are the last of a text and cut short; without them it would be"
        case "empty_drafts":
            share = sum(not each.drafted and not each.is_tail for each in rounds) / len(rounds)
            return f"nothing is drafted in {share:.2f} of the rounds; if all were like the others it would be"
