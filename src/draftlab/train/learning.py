"""How many steps of learning there is time for, and the steps in a row, with checkpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from time import monotonic

from draftlab.errors import DraftlabError
from draftlab.train.checkpoint import Checkpoint
from draftlab.train.gradient import learn_from
from draftlab.train.held_out import Point, judge
from draftlab.train.on_policy import OnPolicy
from draftlab.train.optimiser import Optimiser
from draftlab.train.processes import ALONE, Processes
from draftlab.train.progress import Progress
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shard, Shards, num_learned
from draftlab.train.student import Student

_SHARES = (0.15, 0.45)  # of the time: one step ahead, then up to two; the rest as far as asked
_LOOKS = 8  # at the held-out texts, over the whole training
_SAVED_EVERY = 60.0  # seconds
_FEWEST_STEPS = 30  # that teach something


@dataclass(frozen=True, slots=True)
class Schedule:
    """How many steps of learning at each depth; the depth is how far they run ahead."""

    depths: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.steps)

    @property
    def is_short(self) -> bool:
        """Whether the drafter will be as good as untrained."""
        return self.total < _FEWEST_STEPS

    def depth(self, step: int) -> int:
        """Of the step numbered so, counted from 0."""
        for depth, num in zip(self.depths, self.steps, strict=True):
            if step < num:
                return depth
            step -= num
        return self.depths[-1]


def depths_and_shares(settings: TrainSettings) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """How far learning runs ahead, from depth to depth, and the share of the time for each."""
    first = settings.depth if settings.start_from else 1  # a head that has learned runs ahead at once
    depths = tuple(dict.fromkeys((first, max(first, min(2, settings.depth)), settings.depth)))
    before = _SHARES[: len(depths) - 1]
    return depths, (*before, 1.0 - sum(before))


def plan_steps(
    student: Student,
    shards: Shards,
    settings: TrainSettings,
    seconds: float,
    policy: OnPolicy | None = None,
    processes: Processes = ALONE,
) -> Schedule:
    """As many steps as fit into `seconds`, from the time that one takes at each depth here."""
    depths, shares = depths_and_shares(settings)
    batches = list(islice(shards.batches(settings.batch, settings.seed), 3))
    if not batches:
        raise DraftlabError("there is no text to learn from", "Give more data, or more --minutes.")
    optimiser = Optimiser(student.network, student.rate)
    taken = []
    for depth in depths:
        start = monotonic()
        for batch in batches:
            learn_from(student, batch, depth, settings, processes, places="typical")
        taken.append((monotonic() - start) / len(batches))
        student.network.zero_grad(set_to_none=True)
    extra = optimiser.seconds_of_a_step() + (policy.seconds_of_a_step(batches) if policy else 0.0)
    start = monotonic()
    judge(student, shards, 0, 0.0, ())
    seconds -= (_LOOKS + 1) * (monotonic() - start)
    return Schedule(
        depths, tuple(max(1, int(share * seconds / (time + extra))) for share, time in zip(shares, taken, strict=True))
    )


def learn(
    student: Student,
    shards: Shards,
    schedule: Schedule,
    settings: TrainSettings,
    checkpoint: Checkpoint,
    costs: Sequence[int],
    progress: Progress,
    policy: OnPolicy | None = None,
    processes: Processes = ALONE,
) -> list[Point]:
    """All steps that are left; the curve, of those before an interruption too. Only the first process keeps it."""
    optimiser = Optimiser(student.network, student.rate)
    done, curve, losses = checkpoint.load(student, optimiser)
    progress.begins("learning, steps", schedule.total)
    progress.advances(done)
    every = max(1, schedule.total // _LOOKS)
    if processes.is_first and not curve:
        curve.append(judge(student, shards, 0, 0.0, costs))
        progress.say(curve[-1].line())
    num_tokens = 0
    start = saved = monotonic()
    for step, batch in enumerate(_rest(shards, settings, done), start=done):
        if step >= schedule.total:
            break
        if policy is not None:
            batch = policy(batch, step)
        optimiser.set_rate(step / schedule.total)
        losses.append(learn_from(student, batch, schedule.depth(step), settings, processes))
        optimiser.step()
        num_tokens += num_learned(batch.firsts, batch.ends)
        progress.advances()
        if not processes.is_first:
            continue
        paused = monotonic()
        is_look = (step + 1) % every == 0 or step + 1 == schedule.total
        if is_look:
            curve.append(judge(student, shards, step + 1, sum(losses) / len(losses), costs))
            progress.say(f"{curve[-1].line()}; {num_tokens / (paused - start):,.0f} tokens/s")
            losses.clear()
        if is_look or monotonic() - saved > _SAVED_EVERY:
            checkpoint.save(student, optimiser, step + 1, curve, losses)
            saved = monotonic()
        start += monotonic() - paused  # learning stood still
    return curve


def _rest(shards: Shards, settings: TrainSettings, done: int) -> Iterator[Shard]:
    """The batches from number `done` on, the same as if none had been left out."""
    return islice(shards.batches(settings.batch, settings.seed), done, None)
