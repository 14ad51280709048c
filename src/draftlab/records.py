"""What a run leaves behind: a manifest, and one trace per decode. Integers, strings and nanoseconds; never a ratio.

`docs/records.md` describes every field.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.spec import Sampling
from draftlab.types import StopReason

SCHEMA_VERSION = 2
READABLE_VERSIONS = (1, 2)

TraceKey = tuple[str, str, int]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rounds(_Record):
    """The rounds of one decode, by column: entry i belongs to round i."""

    drafted: tuple[int, ...] = ()
    accepted: tuple[int, ...] = ()
    """As the rule said."""
    emitted: tuple[int, ...] = ()
    """As kept, after the cut at a stop; counts the target's own token."""


class Trace(_Record):
    """One prompt decoded once by one arm. A failed trace has an error and no numbers."""

    arm: str
    prompt_id: str
    repetition: int
    seed: int
    status: Literal["ok", "failed"]
    stop: StopReason | None = None
    tokens: tuple[int, ...] = ()
    text: str = ""
    prefill_ns: int | None = None
    decode_ns: int | None = None
    rounds: Rounds = Rounds()
    error: str | None = None
    started_ns: int | None = None
    """When it began, in nanoseconds since 1970 (UTC); the order of a run, also across an interruption."""

    @property
    def key(self) -> TraceKey:
        """What makes this trace the only one of its kind in a run."""
        return (self.arm, self.prompt_id, self.repetition)


class Divergence(_Record):
    """Where a greedy text left its baseline, and what the target's own scores say of it. Scores are raw, in logits."""

    arm: str
    prompt_id: str
    repetition: int
    position: int
    """The first new token that differs, counted from 0."""
    margin: float | None = None
    """The baseline's token over the arm's, in the baseline's pass."""
    rounding: float | None = None
    """The largest difference between the scores of the baseline's pass and of the arm's, at this position."""
    margin_float32: float | None = None
    """The same margin in float32; None where the model does not fit into memory once more."""
    kind: Literal["tie", "rounding", "real"]
    """tie: margin <= rounding. rounding: a larger margin, but both passes really choose as they did. real: a fault."""

    @property
    def key(self) -> TraceKey:
        """Of the trace that diverged."""
        return (self.arm, self.prompt_id, self.repetition)


class Arm(_Record):
    """One way of decoding that a run compares."""

    id: str
    role: Literal["baseline", "drafted", "native", "control", "closing"]
    """control: the baseline again, in every block. closing: the baseline again, after the last block."""
    drafter: str
    gamma: int
    rule: str
    lossless: bool = True
    """Whether the rule keeps the target's law."""
    coupled: bool = False
    """Whether a sampled text has to equal the baseline's, token for token."""
    num_prompts: int | None = None
    """It decodes only the first so many prompts; None: all."""

    def num_repetitions(self, asked: int) -> int:
        """How often it decodes each prompt, where `asked` repetitions are: checks beside the blocks run once."""
        return 1 if self.role in ("native", "closing") else asked


class PromptRecord(_Record):
    """One prompt as it was decoded."""

    id: str
    suite: str
    category: str
    subcategory: str
    prompt: str | None = None
    messages: tuple[dict[str, str], ...] | None = None
    num_tokens: int
    max_new_tokens: int


class WarmUp(_Record):
    """One prompt, decoded plainly until two times in a row were alike, or patience ended. Nothing of it is measured."""

    prompt_id: str
    tokens: tuple[int, ...]
    """How many new tokens each try had."""
    decode_ns: tuple[int, ...]
    settled: bool


class MachineSample(_Record):
    """Counters of the machine at the beginning or the end of a process that decoded; only differences mean anything."""

    moment: Literal["begin", "end"]
    time_ns: int
    """Nanoseconds since 1970 (UTC)."""
    busy_ns: int
    """Processor time that all programs used, summed over cores, and that was taken by other virtual machines."""
    idle_ns: int
    own_ns: int
    """Processor time of this process and its children."""
    swapped_in_bytes: int | None = None
    swapped_out_bytes: int | None = None
    throttled: int | None = None
    """How often the processor's cores were slowed down for their temperature."""
    clock_hz: int | None = None


class Goal(_Record):
    """Repeat until every speed-up is known this well, or until the time is spent."""

    half_width: float
    """Of the widest 95 % interval, as a share of its value."""
    budget_ns: int
    """Time for decoding, prefill included; a round that would not fit is not begun."""


class RunManifest(_Record):
    """All that is needed to understand a run's traces, and to make them again."""

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    created: str
    command: tuple[str, ...]
    experiment: dict[str, Any]
    """The spec as given."""
    fingerprint: str
    """Hash of all that decides what is decoded; a run can be resumed only by a spec with the same."""
    sampling: Sampling
    """The one decoding configuration of baseline and arms, resolved."""
    sampling_ignored: tuple[str, ...] = ()
    """Settings of the checkpoint's generation config that draftlab does not apply."""
    stop_tokens: tuple[int, ...]
    stop_strings: tuple[str, ...]
    repetitions: int
    seed: int
    arms: tuple[Arm, ...]
    prompts: tuple[PromptRecord, ...]
    suites: dict[str, str]
    """Name of each suite, with the hash of its prompts."""
    target: dict[str, Any]
    drafters: dict[str, dict[str, Any]]
    environment: dict[str, Any]
    warm_up: WarmUp | None = None
    goal: Goal | None = None
    """Where it is set, `repetitions` is how many there are at least."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def settings(self) -> dict[str, Any]:
        """The spec under which this draftlab does what the run's own did: the first had no second baseline."""
        return {"control": False, **self.experiment} if self.schema_version < 2 else dict(self.experiment)

    def expected_keys(self, repetitions: int | None = None) -> set[TraceKey]:
        """The key of every trace that the complete run has, with this many repetitions or those planned."""
        asked = self.repetitions if repetitions is None else repetitions
        return {
            (arm.id, prompt.id, repetition)
            for arm in self.arms
            for prompt in self.prompts[: arm.num_prompts]
            for repetition in range(arm.num_repetitions(asked))
        }
