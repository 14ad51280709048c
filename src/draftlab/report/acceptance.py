"""Acceptance in full: by position in the draft, and by what may explain it, each with its interval over prompts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import BaseModel

from draftlab.metrics import (
    Counts,
    PositionCounts,
    Ratio,
    acceptance_rate,
    all_or_none,
    block_efficiency,
    by_place,
    by_position,
    count,
    draft_utilization,
)
from draftlab.records import Arm, Trace
from draftlab.report.judged import Judged, judged_tokens
from draftlab.report.reading import Run
from draftlab.report.token_classes import CLASSES
from draftlab.stats import Estimate, Sums, ratios_of_sums

By = Literal["subcategory", "token_class", "entropy", "place"]

# In nats. Under 0.01 the target is sure (its best token has .998 or more), under 0.1 nearly; ln 2 = 0.69 is a fair
# choice between two tokens, ln 20 = 3.0 one among twenty.
ENTROPY_EDGES = (0.01, 0.1, 0.5, 1.0, 2.0, 3.0)
PLACE_EDGES = (16, 64, 256)


class PositionReport(BaseModel):
    """One position of a draft, the first is 1."""

    position: int
    num_drafted: int
    num_judged: int
    acceptance: Estimate
    """accepted / drafted: whether or not a token before it was rejected."""
    conditional: Estimate
    """accepted / judged: where all before it were accepted."""


class AcceptanceGroup(BaseModel):
    """The judged tokens that have something in common."""

    by: By
    name: str
    num_judged: int
    share: float
    """Of the judged tokens of all groups."""
    acceptance_rate: Estimate
    overlap: Estimate | None = None
    """The acceptance that p and q let expect; None where tokens were not recorded."""
    draft_utilization: Estimate | None = None
    """Of a sub-category; the others divide tokens, not rounds."""
    block_efficiency: Estimate | None = None


def measure_positions(decodes: Sequence[Sequence[Trace]]) -> list[PositionReport]:
    """Position by position, from the decodes of each prompt."""
    prompts = [by_position(traces) for traces in decodes]
    longest = max(map(len, prompts), default=0)
    columns = [[found[i] if i < len(found) else PositionCounts() for found in prompts] for i in range(longest)]
    accepted = [[c.accepted for c in column] for column in columns]
    drafted = [[c.drafted for c in column] for column in columns]
    judged = [[c.judged for c in column] for column in columns]
    found = ratios_of_sums([*zip(accepted, drafted, strict=True), *zip(accepted, judged, strict=True)])
    return [
        PositionReport(
            position=i + 1,
            num_drafted=sum(drafted[i]),
            num_judged=sum(judged[i]),
            acceptance=found[i],
            conditional=found[longest + i],
        )
        for i in range(longest)
    ]


def measure_groups(run: Run, arm: Arm, category: str, decodes: Sequence[Sequence[Trace]]) -> list[AcceptanceGroup]:
    """All groups of an arm over the prompts of a category: of its timed decodes, and of those recorded by token."""
    judged = list(judged_tokens(run, arm, category).values())
    return [
        *_subcategories(run, decodes),
        *_by(judged, "token_class", CLASSES, token_class),
        *_by(judged, "entropy", interval_names(ENTROPY_EDGES), entropy_bin),
        *_places(decodes),
    ]


def token_class(token: Judged) -> int:
    """Its place in `CLASSES`."""
    return CLASSES.index(token.token_class)


def entropy_bin(token: Judged) -> int:
    """Its place among the intervals of `ENTROPY_EDGES`, each of which has its lower edge."""
    return bisect_right(ENTROPY_EDGES, token.entropy)


def interval_names(edges: Sequence[float]) -> list[str]:
    """`0-0.01`, ..., `3-`."""
    return [f"{low:g}-{high}" for low, high in zip((0, *edges), (*map("{:g}".format, edges), ""), strict=True)]


def sums_by(judged: Sequence[Sequence[Judged]], num_groups: int, group: Callable[[Judged], int]) -> list[list[Counts]]:
    """Judged and accepted tokens of each group, prompt by prompt."""
    found = []
    for tokens in judged:
        num_judged, num_accepted = [0] * num_groups, [0] * num_groups
        for token in tokens:
            which = group(token)
            num_judged[which] += 1
            num_accepted[which] += token.accepted
        found.append([Counts(judged=j, accepted=a) for j, a in zip(num_judged, num_accepted, strict=True)])
    return [list(column) for column in zip(*found, strict=True)]


def _by(
    judged: Sequence[Sequence[Judged]], by: By, names: Sequence[str], group: Callable[[Judged], int]
) -> list[AcceptanceGroup]:
    columns = sums_by(judged, len(names), group)
    overlaps = [[0.0] * len(judged) for _ in names]
    for i, tokens in enumerate(judged):
        for token in tokens:
            overlaps[group(token)][i] += token.overlap
    groups = _groups(by, names, columns)
    kept = [i for i, column in enumerate(columns) if any(c.judged for c in column)]
    expected = ratios_of_sums([(overlaps[i], [c.judged for c in columns[i]]) for i in kept])
    return [each.model_copy(update={"overlap": overlap}) for each, overlap in zip(groups, expected, strict=True)]


def _places(decodes: Sequence[Sequence[Trace]]) -> list[AcceptanceGroup]:
    names = [f"{low + 1}-{high}" for low, high in zip((0, *PLACE_EDGES), (*map(str, PLACE_EDGES), ""), strict=True)]
    by_prompt = [by_place(traces, PLACE_EDGES) for traces in decodes]
    return _groups("place", names, [list(column) for column in zip(*by_prompt, strict=True)])


def _subcategories(run: Run, decodes: Sequence[Sequence[Trace]]) -> list[AcceptanceGroup]:
    """The sub-categories that prompts have, with the figures that a whole prompt has."""
    named = {p.id: f"{p.category}/{p.subcategory}" for p in run.manifest.prompts if p.subcategory}
    of_prompts = [named.get(traces[0].prompt_id, "") for traces in decodes]
    counts = all_or_none([count(traces) for traces in decodes])
    names = [name for name in dict.fromkeys(of_prompts) if name]
    columns = [[c if of == name else Counts() for c, of in zip(counts, of_prompts, strict=True)] for name in names]
    groups = _groups("subcategory", names, columns)
    kept = [column for column in columns if any(c.judged for c in column)]
    utilization, efficiency = (
        ratios_of_sums([_sums(ratio, column) for column in kept]) for ratio in (draft_utilization, block_efficiency)
    )
    return [
        each.model_copy(update={"draft_utilization": u, "block_efficiency": e})
        for each, u, e in zip(groups, utilization, efficiency, strict=True)
    ]


def _groups(by: By, names: Sequence[str], columns: Sequence[Sequence[Counts]]) -> list[AcceptanceGroup]:
    """The groups that have a judged token; `columns` has their counts, prompt by prompt."""
    found = [(name, column) for name, column in zip(names, columns, strict=False) if any(c.judged for c in column)]
    rates = ratios_of_sums([_sums(acceptance_rate, column) for _, column in found])
    nums = [sum(c.judged for c in column) for _, column in found]
    return [
        AcceptanceGroup(by=by, name=name, num_judged=num, share=num / sum(nums), acceptance_rate=rate)
        for (name, _), num, rate in zip(found, nums, rates, strict=True)
    ]


def _sums(ratio: Ratio, counts: Sequence[Counts]) -> Sums:
    return [ratio.above(c) for c in counts], [ratio.below(c) for c in counts]
