"""Where each token of a text comes from, with the name and colour that it has in the terminal and in HTML alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from draftlab.records import Rounds

Origin = Literal["prompt", "accepted", "correction", "bonus", "plain"]


@dataclass(frozen=True, slots=True)
class Label:
    """What is shown of an origin. `color` is #rrggbb; None: the colour that text has anyway."""

    means: str
    color: str | None


# The hues of Okabe & Ito (2008), which people tell apart whatever colours they see, and those of the page's token view;
# each has a contrast of 3 or more to white and to black.
LABELS: dict[Origin, Label] = {
    "prompt": Label("the prompt", None),
    "accepted": Label("drafted and accepted", "#0077bb"),
    "correction": Label("the target's own, in place of a rejected one", "#d55e00"),
    "bonus": Label("the target's own, after a whole accepted draft", "#00855f"),
    "plain": Label("the target's own, nothing was drafted", None),
}

# Accepted tokens, from the first of a draft to the deepest: lighter and darker neighbours of the one blue.
_SHALLOW, _DEEP = (0x2B, 0x8F, 0xD0), (0x00, 0x62, 0x9C)
_ENDINGS = {2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Place:
    """One token's origin."""

    origin: Origin
    round: int
    depth: int = 0
    """Its place in the draft, from 1; 0 for tokens that were not drafted."""


def places(rounds: Rounds) -> Iterator[Place]:
    """The origin of every new token of a decode, in the order of the text."""
    for index, (drafted, accepted, emitted) in enumerate(
        zip(rounds.drafted, rounds.accepted, rounds.emitted, strict=True)
    ):
        for i in range(emitted):
            if i < accepted:
                yield Place("accepted", index, i + 1)
            else:
                yield Place(_own(drafted, accepted), index)


def _own(drafted: int, accepted: int) -> Origin:
    """What the target's own token of a round is."""
    if not drafted:
        return "plain"
    return "correction" if accepted < drafted else "bonus"


def color(place: Place, most: int) -> str | None:
    """#rrggbb for a token; `most` is the depth of the darkest green."""
    if place.origin != "accepted":
        return LABELS[place.origin].color
    share = min(1.0, (place.depth - 1) / max(1, most - 1))
    mixed = (round(light + share * (dark - light)) for light, dark in zip(_SHALLOW, _DEEP, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def describe(place: Place) -> str:
    """A token's origin in words."""
    depth = f" at depth {place.depth}" if place.depth else ""
    return f"round {place.round + 1}: {LABELS[place.origin].means}{depth}"


def legend(most: int) -> list[tuple[str, str | None]]:
    """What every colour means; the drafted ones up to depth `most`."""
    drafted: list[tuple[str, str | None]] = []
    if most:
        drafted = [("accepted, 1st of a draft", color(Place("accepted", 0, 1), most))]
    if most > 1:
        drafted.append((f"to {most}{_ENDINGS.get(most, 'th')}", color(Place("accepted", 0, most), most)))
    own: tuple[Origin, ...] = ("correction", "bonus", "plain")
    return [*drafted, *((origin, LABELS[origin].color) for origin in own)]
