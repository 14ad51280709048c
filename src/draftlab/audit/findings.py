"""What an audit found, and the verdict that follows."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from draftlab.spec import Sampling

SCHEMA_VERSION = 1
Verdict = Literal["lossless", "not lossless", "undecided", "failed"]
WASTEFUL = 1.15
"""An implementation that passes this many times the tokens of draftlab's loop is told so."""


class _Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Test(_Finding):
    """One goodness-of-fit test."""

    prompt_id: str
    what: str
    """Which tokens: `1`, `1-2`, `1-3`, or `2 after "x"`."""
    num_samples: int
    num_cells: int
    statistic: float | None
    """None where a text was written that the target cannot write."""
    p_value: float
    """After Bonferroni's correction for all tests of the audit."""
    total_variation: float
    low: float
    high: float


class Control(_Finding):
    """A planted bug under the same tests, at the same size."""

    name: str
    title: str
    rejected: bool
    p_value: float
    """The smallest of its tests, corrected."""
    total_variation: float


class Parting(_Finding):
    """A greedy text that is not the target's own."""

    prompt_id: str
    position: int
    margin: float | None = None
    rounding: float | None = None
    kind: Literal["tie", "rounding", "real"]


class Cost(_Finding):
    """Tokens that went through a model for each new token; None where it was not counted."""

    target: float | None = None
    drafter: float | None = None


class Greedy(_Finding):
    """The greedy part."""

    compared: int
    identical: int
    partings: tuple[Parting, ...] = ()
    cost: Cost
    own_cost: Cost
    """Of draftlab's loop on the same prompts."""
    refused: str | None = None
    """Why there are no greedy texts: the implementation says that it has none."""


class Findings(_Finding):
    """One audit."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    of: str
    versions: dict[str, str]
    target: str
    drafter: str
    gamma: int
    rule: str
    dtype: str
    sampling: Sampling
    seed: int
    level: float
    power: float
    detects: float | None
    """The total variation over the cells of a test on all samples that would have been found with probability `power`;
    None where there was nothing to tell apart."""
    num_samples: int
    """Per prompt."""
    num_prompts: int
    greedy: Greedy | None = None
    """None where the implementation failed before it was done."""
    failure: str | None = None
    """The exceptions that ended a part of the audit. A prompt where a sample failed is not tested: without the texts
    that crash, the others are no fair sample."""
    tests: tuple[Test, ...] = ()
    controls: tuple[Control, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """Lossless is said only after planted bugs were rejected by the same tests at the same size: the first of them
        always (it shows that drafts are rejected at all), the others where they move as much as has to be found."""
        if self.accusations:
            return "not lossless"
        if self.failure:
            return "failed"
        if not self.tests:
            return "lossless" if self.greedy and self.greedy.compared else "undecided"
        if self.detects is None or not (self.controls and self.controls[0].rejected):
            return "undecided"
        missed = any(not one.rejected and one.total_variation >= self.detects for one in self.controls)
        return "undecided" if missed else "lossless"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def accusations(self) -> list[str]:
        """Why it is not lossless, a line each."""
        lines = [
            f"prompt {test.prompt_id}, tokens {test.what}: p = {test.p_value:.2g}, "
            f"total variation {test.total_variation:.3f} [{test.low:.3f}, {test.high:.3f}]"
            for test in sorted(self.tests, key=lambda test: -test.total_variation)
            if test.p_value < self.level
        ]
        partings = self.greedy.partings if self.greedy else ()
        real = [parting for parting in partings if parting.kind == "real"]
        return lines + [
            f"greedy, prompt {parting.prompt_id}: new token {parting.position} is not the target's, and no tie"
            for parting in real
        ]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def waste(self) -> float | None:
        """Tokens passed through both models over those of draftlab's loop; None where it was not counted."""
        if self.greedy is None:
            return None
        theirs, own = self.greedy.cost, self.greedy.own_cost
        if theirs.target is None or own.target is None:
            return None
        ratios = [theirs.target / own.target]
        if theirs.drafter and own.drafter:
            ratios.append(theirs.drafter / own.drafter)
        return max(ratios)
