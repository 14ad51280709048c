"""What the doctor reports, in the words and with the keys of its JSON document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1
Status = Literal["ok", "note", "problem"]
Outcome = Literal["works", "limited", "refuses", "not known"]


class _Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Check(_Finding):
    """One thing that was looked at."""

    name: str
    status: Status
    """`problem`: speculation with this pair is not possible here. `note`: it is, and something is worth knowing."""
    found: str
    remedy: str | None = None


class Elsewhere(_Finding):
    """What another engine does with this pair. Looked up, not run."""

    engine: str
    version: str
    outcome: Outcome
    what: str
    source: str


class Padded(_Finding):
    """A copy of the drafter that was written, and compared with the original."""

    folder: str
    width_before: int
    width: int
    num_positions: int
    """How many positions of a short text were compared."""
    max_difference: float
    """The largest difference of a logit on an id that both have; not 0 where a wider product rounds differently."""
    equal: int
    """At how many positions the likeliest token is the same."""


class Completed(_Finding):
    """A copy of an EAGLE-3 head that stores the rows of its target's head, written and compared with the original."""

    folder: str
    rows: int
    """How many tokens it can draft."""
    width: int
    dtype: str
    num_tensors: int
    """How many tensors of the network were compared, bit for bit."""


class Timing(_Finding):
    """Medians of passes over a short text, in seconds."""

    context: int
    """The cached tokens before each pass."""
    num_passes: int
    """Of each kind, after the warm-up."""
    target_s: tuple[float, ...]
    """A pass of the target over 1, 2, ... rows."""
    draft_s: float
    draft_per: Literal["token", "draft"]
    """`token`: a pass of the drafter for every token. `draft`: one look-up, however many tokens it finds."""
    spread: float
    """Of the target's passes over one row: the distance of their quartiles over their median."""


class Prediction(_Finding):
    """The best draft length at one acceptance rate, each token being accepted independently of the others."""

    acceptance_rate: float
    gamma: int
    speedup: float


class Forecast(_Finding):
    """What the times mean."""

    predictions: tuple[Prediction, ...]
    break_even: float | None
    """The acceptance rate from which on some draft length pays; None where none does at any rate."""
    break_even_gamma: int | None


class Diagnosis(_Finding):
    """All that was found."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    target: str
    drafter: str
    context: int
    """The length of text that memory was computed for."""
    checks: tuple[Check, ...]
    elsewhere: tuple[Elsewhere, ...]
    padded: Padded | None = None
    timing: Timing | None = None
    forecast: Forecast | None = None
    not_timed: str | None = None
    """Why there is no timing."""
    verdict: str = ""

    @property
    def problems(self) -> list[Check]:
        """What prevents speculation."""
        return [check for check in self.checks if check.status == "problem"]
