"""What tuning reports, in the words and with the keys of its JSON document."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from draftlab.spec import Sampling
from draftlab.stats import Estimate

SCHEMA_VERSION = 1


class _Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CandidateFinding(_Finding):
    """A drafter with a policy and a draft length."""

    drafter: str
    """As it is written on the command line, policy included."""
    policy: str
    gamma: int
    predicted_speedup: Estimate
    block_efficiency: Estimate
    acceptance_rate: Estimate
    win_probability: float | None
    """In which share of the resamples it is faster than the fastest of all; the fastest, than the second."""


class DrafterFinding(_Finding):
    """What belongs to a drafter, whatever the policy."""

    drafter: str
    round_ms: tuple[float, ...]
    """A round of gamma 0, 1, ... in the middle of the texts; 0 is plain decoding."""
    oracle_speedup: Estimate
    """What the best drafts would bring if it were known how many of their tokens will be accepted."""
    oracle_share: float | None
    """How much of that gain its best policy reaches; None where there is none."""


class Recommendation(_Finding):
    """What to run."""

    drafter: str
    gamma: int
    predicted_speedup: Estimate
    acceptance_rate: float | None
    break_even: float | None
    """The acceptance rate from which on drafts of `gamma` tokens pay; None where none does."""
    win_probability: float | None
    """Against the runner-up."""


class ConfirmedArm(_Finding):
    """A prediction beside what was measured on the confirming prompts."""

    drafter: str
    gamma: int
    predicted_speedup: Estimate
    walltime_speedup: Estimate
    predicted_block_efficiency: float | None
    block_efficiency: float | None
    error: float | None
    """Predicted over measured speed-up, less 1."""


class Confirmation(_Finding):
    """The short real run."""

    run: str
    num_prompts: int
    same_prompts: int
    """How many of them were tuned on as well."""
    arms: tuple[ConfirmedArm, ...]
    """The recommended one first."""
    holds: bool | None
    """Whether that one was measured to be faster than plain decoding, or slower; None where it cannot be told."""


class TuningReport(_Finding):
    """All that was found."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    target: str
    dtype: str
    sampling: Sampling
    rule: str
    num_prompts: int
    num_tokens: int
    max_gamma: int
    drafters: tuple[DrafterFinding, ...]
    candidates: tuple[CandidateFinding, ...]
    """The fastest first."""
    recommendation: Recommendation | None
    """None: no speculation here."""
    runner_up: Recommendation | None
    confirmation: Confirmation | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = {}
    """What the steps took."""
