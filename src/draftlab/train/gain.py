"""What learning on has brought a drafter, by the first and the last point of its curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from draftlab.train.held_out import Point

_POSITIONS = 3
"""Behind them few drafts of a few texts are left to judge by."""


def gain(curve: Sequence[Point], data: Mapping[str, Any]) -> str:
    """One line: held-out acceptance and predicted speed-up, before and after; `data` is that of the provenance."""
    before, after = curve[0], curve[-1]
    num, prompts = data["held_out_texts"], data["held_out_prompts"]
    texts = f"{num} texts of {prompts or 'several'} held-out prompt{'' if prompts == 1 else 's'}"
    worse = "" if after.speedup > before.speedup else "; no gain: keep the drafter that it began with"
    return (
        f"on {texts}, before and after: acceptance by position {_rates(before)} and {_rates(after)}, "
        f"predicted {before.speedup:.2f}x and {after.speedup:.2f}x{worse}"
    )


def _rates(point: Point) -> str:
    return " ".join(f"{rate:.2f}".lstrip("0") for rate in point.accepted[:_POSITIONS])
