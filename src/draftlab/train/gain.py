"""What learning on has brought a drafter, by the first and the last point of its curve."""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.train.held_out import Point

_POSITIONS = 3
"""Behind them few drafts of a few texts are left to judge by."""


def gain(curve: Sequence[Point], held_out: int) -> str:
    """One line: held-out acceptance and predicted speed-up, before and after."""
    before, after = curve[0], curve[-1]
    texts = "1 held-out text" if held_out == 1 else f"{held_out} held-out texts"
    worse = "" if after.speedup > before.speedup else "; no gain: keep the drafter that it began with"
    return (
        f"on {texts}, before and after: acceptance by position {_rates(before)} and {_rates(after)}, "
        f"predicted {before.speedup:.2f}x and {after.speedup:.2f}x{worse}"
    )


def _rates(point: Point) -> str:
    return " ".join(f"{rate:.2f}".lstrip("0") for rate in point.accepted[:_POSITIONS])
