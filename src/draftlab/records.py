"""What a run leaves behind: a manifest, and one trace per decode. Integers, strings and nanoseconds; never a ratio.

`docs/records.md` describes every field.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.served import Served
from draftlab.spec import Sampling
from draftlab.types import StopReason

SCHEMA_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)

TraceKey = tuple[str, str, int]
WatchKey = tuple[str, str]


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
    first_ns: int | None = None
    """From the end of prefill to the end of the first round."""
    rounds: Rounds = Rounds()
    served: Served | None = None  # in place of tokens and rounds, where a server decoded
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


class _Watched(_Record):
    """One decode of a prompt that was watched, and is not among those that are compared."""

    arm: str
    prompt_id: str
    error: str | None = None

    @property
    def key(self) -> WatchKey:
        """What makes this record the only one of its kind in a run."""
        return (self.arm, self.prompt_id)


class Phases(_Watched):
    """The times within the rounds of a decode that waited for the device at every event: for costs, not speed-ups."""

    prompt_tokens: int = 0
    rounds: Rounds = Rounds()
    draft_ns: tuple[int, ...] = ()  # per round: the drafter's proposal
    target_ns: tuple[int, ...] = ()  # the target's pass over drafted + 1 rows, with warping
    rest_ns: tuple[int, ...] = ()  # verdict, commit and rollback


class WatchedRound(_Record):
    """One round, token by token. Probabilities and entropies (in nats) are those before warping, at temperature 1."""

    drafted: tuple[int, ...] = ()
    accepted: int = 0
    """As the rule said: so many of the first drafted tokens."""
    emitted: tuple[int, ...] = ()
    """As kept; the target's own token is the last, unless a stop cut it off."""
    p: tuple[float, ...] = ()
    """The target's probability of each drafted token."""
    q: tuple[float, ...] | None = None
    """The drafter's probability of each drafted token; None where it has none."""
    entropy: tuple[float, ...] = ()
    """Of the target's row at each drafted token, and at the token after them."""
    overlap: tuple[float, ...] = ()
    """The sum of min(p, q) after warping at each drafted token: the acceptance to expect."""
    own_p: float = 0.0
    """The target's probability of its own token, the correction or bonus."""


class Detail(_Watched):
    """One decode, token by token; it is not timed."""

    prompt_tokens: tuple[int, ...] = ()
    rounds: tuple[WatchedRound, ...] = ()

    @property
    def tokens(self) -> tuple[int, ...]:
        """The new tokens."""
        return tuple(token for watched in self.rounds for token in watched.emitted)


class TokenBytes(_Record):
    """What a token adds to a text, in hexadecimal; a character may be spread over several tokens."""

    id: int
    hex: str


class Replay(_Record):
    """The rounds that a drafter would have had along a plain text; entry g of a column is that of gamma g."""

    drafter: str
    policy: str
    """How drafts end: `fixed`, or the option of the drafter that does it, as in `stop_product=0.2`."""
    prompt_id: str
    tokens: int
    rounds: tuple[float, ...] = ()
    """Whole numbers, except where what is drawn decides: then expectations."""
    drafted: tuple[float, ...] = ()
    accepted: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.drafter, self.policy, self.prompt_id)


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
    draft_length: Literal["fixed", "auto", "server"] = "fixed"
    """auto: each round drafts as many tokens as pay, at most `gamma`. server: only the server knows."""
    costs: tuple[int, ...] | None = None
    """Of a round that drafts 0, 1, ... `gamma` tokens, in nanoseconds, as `auto` reckons with them."""

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
    num_tokens: int | None  # None: a server's own affair
    max_new_tokens: int


class WarmUp(_Record):
    """One prompt, decoded plainly until two times in a row were alike, or patience ended. Nothing of it is measured."""

    prompt_id: str
    tokens: tuple[int, ...]
    """How many new tokens each try had."""
    decode_ns: tuple[int, ...]
    settled: bool


class MachineSample(_Record):
    """Counters of the machine before or after a stretch of decodes; only differences mean anything."""

    moment: Literal["begin", "end"]
    time_ns: int
    """Nanoseconds since 1970 (UTC)."""
    busy_ns: int
    """Processor time that all programs used, summed over cores, and that was taken by other virtual machines."""
    idle_ns: int
    own_ns: int
    """Processor time of this process and of all that it started."""
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
    phase_prompts: tuple[str, ...] = ()
    """Prompts that every arm decodes once more with a look at the clock at each event; `phases.jsonl`."""
    detail_prompts: tuple[str, ...] = ()
    """Prompts that every drafted arm decodes once more for a record of each token; `details.jsonl`."""
    goal: Goal | None = None
    """Where it is set, `repetitions` is how many there are at least."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def settings(self) -> dict[str, Any]:
        """The spec under which this draftlab does what the run's own did: once nothing was decoded beside the arms."""
        before = {1: {"control": False, "phases": 0}, 2: {"phases": 0}}.get(self.schema_version, {})
        return {**before, **self.experiment}

    def expected_phases(self) -> list[WatchKey]:
        """The key of every `Phases` that the complete run has; all arms of a prompt follow one another."""
        arms = [arm.id for arm in self.arms if arm.role in ("baseline", "drafted")]
        return [(arm, prompt) for prompt in self.phase_prompts for arm in arms]

    def expected_details(self) -> list[WatchKey]:
        """The key of every `Detail` that the complete run has."""
        arms = [arm.id for arm in self.arms if arm.role == "drafted"]
        return [(arm, prompt) for prompt in self.detail_prompts for arm in arms]

    def expected_keys(self, repetitions: int | None = None) -> set[TraceKey]:
        """The key of every trace that the complete run has, with this many repetitions or those planned."""
        asked = self.repetitions if repetitions is None else repetitions
        return {
            (arm.id, prompt.id, repetition)
            for arm in self.arms
            for prompt in self.prompts[: arm.num_prompts]
            for repetition in range(arm.num_repetitions(asked))
        }
