"""The figures of a bench while it runs: a row for each arm, over the pairs that are done so far."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from draftlab.metrics import Counts, Ratio, acceptance_rate, block_efficiency, count, tokens_per_s
from draftlab.records import Arm, Trace
from draftlab.report.narrow import Column, Row, figures
from draftlab.report.printable import printable_line

_SHOWN = ("baseline", "control", "drafted")
_time_per_token = Ratio(lambda c: c.decode_ns, lambda c: c.tokens)

_Place = tuple[str, int]  # prompt and repetition


@dataclass
class _Tally:
    """What one arm has done, and its share of the pairs."""

    arm: Arm
    num_done: int = 0
    counts: Counts = field(default_factory=Counts)
    lone: dict[_Place, Counts] = field(default_factory=dict)
    """Decodes whose twin in the other arm is still to come."""
    paired: Counts = field(default_factory=Counts)
    baseline: Counts = field(default_factory=Counts)

    @property
    def speedup(self) -> float | None:
        """Time per token of the baseline over this arm's, as a ratio of sums over the pairs so far."""
        ours, theirs = _time_per_token(self.paired), _time_per_token(self.baseline)
        return theirs / ours if ours and theirs is not None else None


class LiveTable:
    """Told of every decode; drawn when asked."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._plain: dict[_Place, Counts] = {}

    def knows(self, arms: Iterable[Arm]) -> None:
        """These arms take part, in this order."""
        for arm in arms:
            if arm.role in _SHOWN:
                self._tallies.setdefault(arm.id, _Tally(arm))

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to draw."""
        return bool(self._tallies)

    def add(self, trace: Trace) -> None:
        """Another decode is done. One that failed counts as done and in no figure."""
        tally = self._tallies.get(trace.arm)
        if tally is None:
            return
        tally.num_done += 1
        if trace.status != "ok":
            return
        place, counts = (trace.prompt_id, trace.repetition), count([trace])
        tally.counts += counts
        tally.lone[place] = counts
        if tally.arm.role == "baseline":
            self._plain[place] = counts
        for other in self._tallies.values():
            self._pair(other, place)

    def _pair(self, tally: _Tally, place: _Place) -> None:
        if tally.arm.role != "baseline" and place in self._plain and place in tally.lone:
            tally.paired += tally.lone.pop(place)
            tally.baseline += self._plain[place]

    def draw(self, width: int) -> Table:
        """As many columns as fit into `width`."""
        rows = [Row(Text(_name(t.arm)), [cell(t) for _, cell in _COLUMNS]) for t in self._tallies.values()]
        return figures("arm", [column for column, _ in _COLUMNS], rows, width)


def _name(arm: Arm) -> str:
    return {"baseline": "plain", "control": "plain again"}.get(arm.role, printable_line(arm.id))


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


def _of_drafts(tally: _Tally, ratio: Ratio) -> str:
    return _number(ratio(tally.counts), ".2f") if tally.arm.role == "drafted" else ""


_COLUMNS: list[tuple[Column, Callable[[_Tally], str]]] = [
    (Column("done", 4, 2), lambda tally: str(tally.num_done)),
    (Column("tokens/s", 8, 1), lambda tally: _number(tokens_per_s(tally.counts), ".1f")),
    (Column("speed-up", 8, 0), lambda t: "" if t.arm.role == "baseline" else _number(t.speedup, ".2f", "x")),
    (Column("accept rate", 11, 3), lambda tally: _of_drafts(tally, acceptance_rate)),
    (Column("tau", 5, 4), lambda tally: _of_drafts(tally, block_efficiency)),
]
