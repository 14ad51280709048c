"""What a round costs here and now: rounds of many lengths in turn, of all drafters in turn, each part of them timed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from statistics import median

import torch
from scipy.optimize import isotonic_regression

from draftlab.bench.clock import WallClock
from draftlab.bench.plan import PreparedPrompt
from draftlab.bench.recorder import record_phases
from draftlab.chance import derive_seed, make_chance
from draftlab.cost import CostModel, Curve, fit
from draftlab.draft_length import InTurn
from draftlab.drafters.none import NoDrafter
from draftlab.drafters.stopping_early import probability_of
from draftlab.events import Committed, Event
from draftlab.records import Phases
from draftlab.stopping import Stopping
from draftlab.tune.policies import Subject
from draftlab.tune.progress import Progress
from draftlab.types import Drafter
from draftlab.workbench import Workbench

_LENGTHS = (0, 1, 2, 3, 4, 6, 8, 12, 16)
_HOLD = 2
_MOST_TURNS = 6
_PLAIN = "none"
_NUM_TIMINGS = 9


class Price:
    """What rounds of one drafter cost, in nanoseconds."""

    def __init__(self, model: CostModel, plain: CostModel, watching_ns: float = 0.0, unsteadiness: float = 0.0) -> None:
        self.round_ns = cache(model.round_ns)  # (drafted, context); asked for over and over
        self.plain_ns = cache(partial(plain.round_ns, 0))
        """A round without a drafter, by context."""
        self.watching_ns = watching_ns
        """What it takes to look how sure the drafter was of a token; drafts of a fixed length do without."""
        self.unsteadiness = unsteadiness
        """By how much a plain pass differed from sitting to sitting, slowest less quickest, over the median."""


def measure_costs(
    bench: Workbench,
    subjects: Sequence[Subject],
    prompts: Sequence[PreparedPrompt],
    max_gamma: int,
    budget_s: float,
    progress: Progress,
) -> dict[str, Price]:
    """The price of each drafter, by reference. Every one has its turn at least once; then until the time is spent."""
    clock = WallClock(bench.target.synchronize)
    lengths = sorted({n for n in _LENGTHS if n < max_gamma} | {max_gamma})
    everyone = {_PLAIN: NoDrafter(), **{subject.reference: subject.drafter for subject in subjects}}
    watches = [_Watch(bench, name, drafter, InTurn(lengths, _HOLD), clock) for name, drafter in everyone.items()]
    for name, drafter in everyone.items():  # the first rounds of a length are slower than all that follow
        _Watch(bench, name, drafter, InTurn((0, 1, max_gamma), 1), clock).rounds(prompts[0], 3)
    deadline = clock.now_ns() + budget_s * 1e9
    progress.begins("timing rounds of many lengths", _MOST_TURNS * len(watches))
    for turn in range(_MOST_TURNS):
        for watch in watches[turn % len(watches) :] + watches[: turn % len(watches)]:
            if turn == 0 or clock.now_ns() < deadline:
                watch.rounds(prompts[turn % len(prompts)], _HOLD * len(lengths))
            progress.advances()
    # Its passes are the same whoever drafts, so all of them tell what they cost: drafters differ by their drafts alone.
    target = smooth(fit(phases for watch in watches for phases in watch.seen).target, first=2)
    models = {}
    for watch in watches:
        found = fit(watch.seen)
        models[watch.name] = replace(found, target=target, draft=smooth(found.draft, first=0))
    unsteady = _unsteadiness(watches[0].seen)
    return {
        subject.reference: Price(models[subject.reference], models[_PLAIN], _watching(subject, clock), unsteady)
        for subject in subjects
    }


def smooth(curve: Curve, first: int) -> Curve:
    """The nearest curve that never falls from size `first` on: what seems cheaper with more to do is noise.

    One row of the target is left as it is: other kernels may take over from the second on, and be faster.
    """
    at = next((i for i, size in enumerate(curve.sizes) if size >= first), len(curve.sizes))
    rest = isotonic_regression(curve.times[at:]).x if curve.times[at:] else ()
    return replace(curve, times=(*curve.times[:at], *map(float, rest)))


def _unsteadiness(plain: Sequence[Phases]) -> float:
    sittings = [median(phases.target_ns) for phases in plain if phases.target_ns]
    return (max(sittings) - min(sittings)) / median(sittings)


@dataclass
class _Watch:
    """Rounds of one drafter, in several sittings."""

    bench: Workbench
    name: str
    drafter: Drafter
    lengths: InTurn
    clock: WallClock
    seen: list[Phases] = field(default_factory=list)

    def rounds(self, prompt: PreparedPrompt, num: int) -> None:
        """At most `num` rounds of one text; it goes on behind stops, so that all lengths have their turn."""
        decoder = replace(self.bench.decoder(self.drafter, self.lengths), stopping=Stopping())
        chance = make_chance(derive_seed(self.bench.experiment.seed, prompt.record.id, 0), decoder.rule.coupled)
        events = decoder.decode(prompt.tokens, max_new_tokens=num * (self.lengths.most + 1), chance=chance)
        self.seen.append(record_phases(_first(events, num), self.clock, self.name, prompt.record.id))


def _first(events: Iterator[Event], num_rounds: int) -> Iterator[Event]:
    for event in events:
        yield event
        num_rounds -= isinstance(event, Committed)
        if not num_rounds:
            return


def _watching(subject: Subject, clock: WallClock) -> float:
    """How long it takes to look up a probability in a row of the drafter."""
    drafter = subject.model_drafter
    if drafter is None:
        return 0.0
    drafter.model.reset()
    row = drafter.model.forward([0], num_rows=1)[0]
    times = []
    with torch.inference_mode():
        for _ in range(_NUM_TIMINGS):
            before = clock.now_ns()
            probability_of(0, row)
            times.append(clock.now_ns() - before)
    return float(median(times))
