"""What a bench will do, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from draftlab.bench.clock import WallClock
from draftlab.bench.divergence import Examiner
from draftlab.bench.recorder import Recording
from draftlab.events import Event
from draftlab.records import Arm, Goal, PromptRecord, TraceKey
from draftlab.spec import Sampling


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt as token ids; without them where a server makes them."""

    record: PromptRecord
    tokens: Sequence[int]
    capacity: int
    """The most tokens that the text can have, prompt included."""


@dataclass(frozen=True, slots=True)
class PreparedArm:
    """An arm that can run: (prompt, most new tokens, seed) -> what came of it, or what happens in it."""

    arm: Arm
    decode: Callable[[Sequence[int], int, int], Recording] | None = None
    events: Callable[[Sequence[int], int, int], Iterator[Event]] | None = None
    """None where it is not our loop that decodes."""
    reply: Callable[[PromptRecord, int, int], Recording] | None = None
    """In place of `decode`: a server is given the text."""
    bring_up: Callable[[], None] | None = None
    """Has up what it decodes on, which may take another arm's down. None: it is there, as long as the bench."""

    def run(self, prompt: PreparedPrompt, max_new_tokens: int, seed: int) -> Recording:
        """Decode one prompt."""
        if self.reply is not None:
            return self.reply(prompt.record, max_new_tokens, seed)
        assert self.decode is not None, "an arm has one of the two"
        return self.decode(prompt.tokens, max_new_tokens, seed)


@dataclass(frozen=True, slots=True)
class PreparedBench:
    """An experiment with everything loaded and resolved; nothing has run, nothing is written."""

    experiment: Mapping[str, Any]
    arms: Sequence[PreparedArm]
    prompts: Sequence[PreparedPrompt]
    suites: Mapping[str, str]
    repetitions: int
    seed: int
    sampling: Sampling
    sampling_ignored: Sequence[str]
    stop_tokens: Sequence[int]
    stop_strings: Sequence[str]
    target: Mapping[str, Any]
    drafters: Mapping[str, Mapping[str, Any]]
    text_of: Callable[[Sequence[int]], str]
    bytes_of: Callable[[int], bytes]
    clock: WallClock
    examiner: Examiner | None = None
    """Says why greedy texts differ; None where they may."""
    phase_prompts: Sequence[str] = ()
    detail_prompts: Sequence[str] = ()
    goal: Goal | None = None
    """How well the speed-ups have to be known; None: `repetitions` and no more."""
    num_blocks: int | None = None
    """Of each repetition, where it costs something to change from one arm to the next. None: each prompt is a block."""
    close: Callable[[], None] = field(default=lambda: None)
    """Ends what was started for its models."""


@dataclass(frozen=True, slots=True)
class Task:
    """One decode to be done."""

    arm: PreparedArm
    prompt: PreparedPrompt
    repetition: int

    @property
    def key(self) -> TraceKey:
        return (self.arm.arm.id, self.prompt.record.id, self.repetition)


def plan(bench: PreparedBench, repetitions: int | None = None) -> list[Task]:
    """Every decode of a run, of `repetitions` or of those that were asked for.

    All arms of a prompt follow one another, in a block. Their order rotates from block to block, and turns round when
    each was first: so a machine that speeds up or slows down does so for all arms alike, and no arm always follows the
    same other one. The native check runs in the first repetition only, and the closing arm after the last block.

    Where a change of arms is dear there are few blocks, each with every n-th prompt, so that it has some of all
    suites. The order turns round from block to block: whoever ends one begins the next.
    """
    repetitions = bench.repetitions if repetitions is None else repetitions
    in_blocks = [a for a in bench.arms if a.arm.role != "closing"]
    tasks = []
    for repetition in range(repetitions):
        arms = [a for a in in_blocks if repetition < a.arm.num_repetitions(repetitions)]
        num_blocks = min(bench.num_blocks or len(bench.prompts), len(bench.prompts))
        for index in range(num_blocks):
            if bench.num_blocks is None:
                cycle, turn = divmod(index + repetition, len(arms))
            else:
                cycle, turn = repetition * num_blocks + index, 0
            order = arms[turn:] + arms[:turn]
            for arm in reversed(order) if cycle % 2 else order:
                tasks += [Task(arm, prompt, repetition) for prompt in bench.prompts[index::num_blocks]]
    closing = [a for a in bench.arms if a.arm.role == "closing"]
    return tasks + [Task(arm, prompt, 0) for arm in closing for prompt in bench.prompts[: arm.arm.num_prompts]]
