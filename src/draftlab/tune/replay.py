"""The rounds that a draft length and a policy would have had along a text, without decoding again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from draftlab.chance import make_chance
from draftlab.errors import DraftlabError
from draftlab.tune.path import Path
from draftlab.tune.policies import Policy
from draftlab.tune.texts import Text
from draftlab.types import Drafter, Round


@dataclass(frozen=True, slots=True)
class Visit:
    """A round, or so much of one as is expected where chance decides."""

    start: int
    """New tokens before it."""
    drafted: int
    accepted: int
    """As the rule says, a cut at a stop notwithstanding."""
    weight: float = 1.0


Replayed = dict[tuple[str, str], list[list[Visit]]]
"""The rounds along one text, by drafter and policy: entry g is that of gamma g."""


def replay(path: Path, text: Text, gamma: int, policy: Policy) -> list[Visit]:
    """The rounds of a model drafter.

    Which tokens are accepted, and so the rounds, follow from the text. What is drafted behind a token that will be
    rejected does not: there, how sure the drafter is of itself is taken to be as it is at those places of the text. It
    matters for the cost of policies alone; with a fixed length everything is drafted.
    """
    mass = [1.0] + [0.0] * len(text.tokens)
    visits = []
    for start in range(len(text.tokens)):
        if mass[start] > 0.0:
            for visit in _from(path, text, start, gamma, policy, mass[start]):
                visits.append(visit)
                mass[min(start + visit.accepted + 1, len(text.tokens))] += visit.weight
    return visits


def _from(path: Path, text: Text, start: int, gamma: int, policy: Policy, mass: float) -> Iterator[Visit]:
    """The ways in which a round that starts there may end."""
    limit = max(0, min(gamma, text.room - start - 1, path.limits[start]))
    product, kept = 1.0, 0
    while kept < limit:
        stays = path.accept[start + kept]
        if stays < 1.0:
            drafted = _drafted(path, start, kept, limit, policy, product)
            yield Visit(start, drafted, kept, mass * (1.0 - stays))
        mass *= stays
        if mass == 0.0:
            return
        sure = path.sure[start + kept]
        product *= sure
        kept += 1
        if policy.stop_early.ends(sure, product):
            break
    yield Visit(start, kept, kept, mass)


def _drafted(path: Path, start: int, kept: int, limit: int, policy: Policy, product: float) -> int:
    """How many tokens are drafted where the one after the first `kept` will be rejected."""
    if not policy.stop_early:
        return limit
    for num in range(kept + 1, limit + 1):
        own = path.own[start + num - 1]
        product *= own
        if policy.stop_early.ends(own, product):
            return num
    return limit


def replay_own(drafter: Drafter, text: Text, gamma: int, *, is_drawn: bool) -> list[Visit]:
    """The rounds of any other drafter, from its own code: it is asked and told what the loop would ask and tell it.

    `is_drawn` where the text was drawn with chance of its own: a deterministic draft is then accepted as far as the
    text agrees with it, and one that is drawn cannot be replayed.
    """
    # A deterministic drafter never looks at it; one with shared noise drafts what it would have drafted.
    chance = make_chance(text.seed, coupled=True)
    tokens = list(text.prompt)
    new, end = text.new, len(text.tokens)
    drafter.begin(text.prompt)
    visits: list[Visit] = []
    start = 0
    while start < end:
        limit = max(0, min(gamma, text.room - start - 1))
        draft = drafter.propose(tokens, limit, chance.round(len(visits), len(tokens)))
        if is_drawn and draft.q is not None:
            raise DraftlabError(
                f"{type(drafter).__name__} draws its drafts; when sampling, only those of model:NAME can be replayed",
                "Use temperature 0 or --rule coupled, or compare it with draftlab bench.",
            )
        agree = (mine == theirs for mine, theirs in zip(draft.tokens, new[start:], strict=False))
        accepted = next((i for i, same in enumerate(agree) if not same), len(draft.tokens))
        kept = new[start : min(start + accepted + 1, end)]
        visits.append(Visit(start, len(draft.tokens), accepted))
        tokens += kept
        start += len(kept)
        drafter.observe(Round(len(draft.tokens), accepted, kept))
    return visits
