"""A server's page of counters (the text format of Prometheus, version 0.0.4) -> counts of speculation."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from draftlab.endpoint.counts import SpeculationCounts, checked
from draftlab.errors import DraftlabError

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?\s*$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_DRAFTS, DRAFTED, ACCEPTED = "num_drafts", "num_draft_tokens", "num_accepted_tokens"
_NAME = re.compile(r"^(?:vllm|llamacpp):spec_decode_(\w+?)(?:_total)?$")
_PER_POSITION = "num_accepted_tokens_per_pos"


@dataclass(frozen=True)
class Counters:
    """The counters of speculation at one moment, summed over the engines behind the server."""

    totals: Mapping[str, int]
    accepted_at: Mapping[int, int] = field(default_factory=dict)

    def since(self, before: Counters) -> SpeculationCounts:
        """What was counted between `before` and now, which is all of the server's work in between."""
        totals = {name: _growth(name, before.totals.get(name, 0), value) for name, value in self.totals.items()}
        gone = set(before.totals) - set(self.totals)
        if gone:
            raise DraftlabError(f"the counter {min(gone)} has gone", "Was the server started again in between?")
        at = [
            _growth(f"position {i}", before.accepted_at.get(i, 0), self.accepted_at.get(i, 0))
            for i in range(max(self.accepted_at, default=-1) + 1)
        ]
        return checked(totals[DRAFTED], totals[ACCEPTED], totals.get(_DRAFTS), at)


def read_counters(text: str) -> Counters | None:
    """The counters on a page; None where it has none of speculation."""
    totals: dict[str, int] = {}
    positions: dict[int, int] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        sample = _SAMPLE.match(line)
        if sample is None:
            raise DraftlabError(f"the server's counters have a line that is none: {line[:60]!r}", "Is it /metrics?")
        name = _NAME.match(sample[1])
        if name is None:
            continue
        # Other names are passed over: beside each counter vLLM has the second in which it was created.
        if name[1] == _PER_POSITION:
            position = _position(sample[1], sample[2] or "")
            positions[position] = positions.get(position, 0) + _whole(sample[1], sample[3])
        elif name[1] in (_DRAFTS, DRAFTED, ACCEPTED):
            totals[name[1]] = totals.get(name[1], 0) + _whole(sample[1], sample[3])
    return Counters(totals, positions) if {DRAFTED, ACCEPTED} <= totals.keys() else None


def _growth(name: str, before: int, now: int) -> int:
    if now < before:
        raise DraftlabError(
            f"the server's counter {name} went from {before} back to {now}", "Was the server started again in between?"
        )
    return now - before


def _whole(name: str, text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0 or value != int(value):
        raise DraftlabError(f"the server's counter {name} is {text!r}", "It should be a whole number.")
    return int(value)


def _position(name: str, labels: str) -> int:
    found = dict(_LABEL.findall(labels)).get("position", "")
    if not found.isdecimal() or int(found) > 1000:
        raise DraftlabError(f"the server's counter {name} is of position {found!r}", "It should be a small number.")
    return int(found)
