"""The best that any policy could do with a drafter, by looking ahead: a bound, not something to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from draftlab.chance import make_chance
from draftlab.tune.path import Path
from draftlab.tune.texts import Text
from draftlab.types import Drafter, Round


@dataclass(frozen=True, slots=True)
class Place:
    """What the longest draft that starts at a place of a text would come to."""

    most: int
    """Tokens that can be drafted there."""
    accepted: tuple[tuple[int, float], ...]
    """So many of them are accepted, with this probability."""


def places_of(path: Path, text: Text, max_gamma: int) -> list[Place]:
    """Of a model drafter."""
    found = []
    for start in range(len(text.tokens)):
        most = max(0, min(max_gamma, text.room - start - 1, path.limits[start]))
        mass, accepted = 1.0, []
        for num in range(most):
            stays = path.accept[start + num]
            accepted.append((num, mass * (1.0 - stays)))
            mass *= stays
        found.append(Place(most, tuple((num, p) for num, p in [*accepted, (most, mass)] if p > 0.0)))
    return found


def own_places(drafter: Drafter, text: Text, max_gamma: int) -> list[Place]:
    """Of any other drafter: it is asked at every place, as if the target had written all before it by itself."""
    chance = make_chance(text.seed, coupled=True)
    tokens = list(text.prompt)
    drafter.begin(text.prompt)
    found = []
    for start, written in enumerate(text.tokens):
        limit = max(0, min(max_gamma, text.room - start - 1))
        draft = drafter.propose(tokens, limit, chance.round(start, len(tokens))).tokens
        agree = (mine == theirs for mine, theirs in zip(draft, text.new[start:], strict=False))
        accepted = next((i for i, same in enumerate(agree) if not same), len(draft))
        found.append(Place(len(draft), ((accepted, 1.0),)))
        tokens.append(written)
        drafter.observe(Round(0, 0, (written,)))
    return found


def least_ns(places: Sequence[Place], round_ns: Callable[[int, float], float], prompt_tokens: int) -> float:
    """The least that a text can cost: at each place, from the last to the first, the best round and what is left.

    Whoever drafts knows how many tokens would be accepted there: it drafts fewer, exactly those, or also some that will
    be rejected where that costs less. It never has more to catch up with than the last token. Where tokens are drawn,
    what it knows of a place is forgotten behind it; no policy that looks at the past alone costs less in expectation.
    """
    end = len(places)
    left = [0.0] * (end + 1)
    for start in reversed(range(end)):
        place = places[start]
        rounds = [round_ns(num, prompt_tokens + start) for num in range(place.most + 1)]
        after = [left[min(start + num + 1, end)] for num in range(place.most + 1)]
        for accepted, mass in place.accepted:
            shorter = (rounds[num] + after[num] for num in range(accepted))
            left[start] += mass * min([*shorter, min(rounds[accepted:]) + after[accepted]])
    return left[0]
