"""Why one category is accepted more than another, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from draftlab.report.names import key_of
from draftlab.report.why import WhyReport
from draftlab.stats import Estimate


def why_sentences(found: Sequence[WhyReport]) -> Iterator[str]:
    """For each arm, of the two categories that lie furthest apart."""
    of_entropy = [why for why in found if why.by == "entropy" and why.difference.value is not None]
    for (drafter, gamma, _), group in groupby(of_entropy, key=key_of):
        furthest = max(group, key=lambda why: abs(why.difference.value or 0.0))
        yield f"{drafter}, gamma {gamma}: {_sentence(furthest)}"


def _sentence(why: WhyReport) -> str:
    sign = -1 if (why.difference.value or 0.0) < 0 else 1
    more, less = (why.first, why.second) if sign > 0 else (why.second, why.first)
    found = f"{more} is accepted {_part(why.difference, sign)} more than {less}"
    if _holds_zero(why.difference):
        found += ", which may be chance"
    easier = "easier" if sign * (why.mix.value or 0.0) >= 0 else "harder"
    return (
        f"{found}: {_part(why.mix, sign)} because its next tokens are {easier} (the target's entropy), "
        f"{_part(why.within, sign)} at equal entropy"
    )


def _holds_zero(difference: Estimate) -> bool:
    return difference.low is not None and difference.high is not None and difference.low <= 0.0 <= difference.high


def _part(part: Estimate, sign: int) -> str:
    value = f"{sign * (part.value or 0.0):z.2f}"
    if part.low is None or part.high is None:
        return value
    low, high = sorted((sign * part.low, sign * part.high))
    return f"{value} [{low:z.2f}, {high:z.2f}]"
