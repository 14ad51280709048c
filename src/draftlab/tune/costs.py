"""What a round costs here and now: rounds of many lengths in turn, of all drafters in turn, each part of them timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import accumulate
from statistics import median

import torch

from draftlab.bench.clock import WallClock
from draftlab.bench.plan import PreparedPrompt
from draftlab.bench.priced_rounds import FEWEST, PricedRounds, smooth
from draftlab.chance import derive_seed, make_chance
from draftlab.cost import CostModel, Curve, fit
from draftlab.draft_length import InTurn
from draftlab.drafters.none import NoDrafter
from draftlab.drafters.stopping_early import probability_of
from draftlab.records import Phases
from draftlab.tune.policies import Subject
from draftlab.tune.progress import Progress
from draftlab.types import Drafter
from draftlab.workbench import Workbench

_LENGTHS = (0, 1, 2, 3, 4, 6, 8, 12, 16)
_MOST_TURNS = 4
_PLAIN = "none"
_NUM_TIMINGS = 9


class Price:
    """What rounds of one drafter cost, in nanoseconds."""

    def __init__(self, model: CostModel, plain: CostModel, watching_ns: float = 0.0, unsteadiness: float = 0.0) -> None:
        self.round_ns = cache(model.round_ns)  # (drafted, context); asked for over and over
        self.catch_up = model.catch_up
        """What a draft costs more after one that was accepted in full."""
        self.plain_ns = cache(partial(plain.round_ns, 0))
        """A round without a drafter, by context."""
        self.watching_ns = watching_ns
        """What it takes to look how sure the drafter was of a token; drafts of a fixed length do without."""
        self.unsteadiness = unsteadiness
        """By how much a plain pass differed from sitting to sitting."""


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
    sitters = [_sitter(bench, name, drafter, lengths, clock) for name, drafter in everyone.items()]
    for name, drafter in everyone.items():  # the first rounds of a length are slower than all that follow
        _sitter(bench, name, drafter, (0, 1, max_gamma), clock).sit(prompts[0], 3 * FEWEST)
    deadline = clock.now_ns() + budget_s * 1e9
    progress.begins("timing rounds of many lengths", _MOST_TURNS * len(sitters))
    for turn in range(_MOST_TURNS):
        for sitter in sitters[turn % len(sitters) :] + sitters[: turn % len(sitters)]:
            if turn == 0 or clock.now_ns() < deadline:
                sitter.sit(prompts[turn % len(prompts)], FEWEST * len(lengths))
            progress.advances()
    # Its passes are the same whoever drafts, so all of them tell what they cost: drafters differ by their drafts alone.
    target = smooth(fit(phases for sitter in sitters for phases in sitter.seen).target, first=2)
    models = {}
    for sitter in sitters:
        found = fit(sitter.seen)
        models[sitter.name] = replace(found, target=target, draft=smooth(found.draft, first=0))
    unsteady = unsteadiness(sitters[0].seen, fit(sitters[0].seen).target)
    return {
        subject.reference: Price(models[subject.reference], models[_PLAIN], _watching(subject, clock), unsteady)
        for subject in subjects
    }


def unsteadiness(plain: Sequence[Phases], target: Curve) -> float:
    """By how much a pass over one row differed from sitting to sitting, slowest less quickest, over the median.

    Each pass is held against what `target` says of a text of its length, as sittings have texts of their own.
    """
    sittings = []
    for phases in plain:
        lengths = accumulate(phases.rounds.emitted, initial=phases.prompt_tokens)
        shares = [ns / target(1, length) for ns, length in zip(phases.target_ns, lengths, strict=False)]
        if shares:
            sittings.append(median(shares))
    return (max(sittings) - min(sittings)) / median(sittings)


@dataclass
class _Sitter:
    """Rounds of one drafter, in several sittings."""

    bench: Workbench
    rounds: PricedRounds
    seen: list[Phases] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.rounds.name

    def sit(self, prompt: PreparedPrompt, num: int) -> None:
        chance = make_chance(derive_seed(self.bench.experiment.seed, prompt.record.id, 0), self.bench.rule.coupled)
        self.seen.append(self.rounds.watch(prompt.tokens, num, chance, prompt.record.id))


def _sitter(bench: Workbench, name: str, drafter: Drafter, lengths: Sequence[int], clock: WallClock) -> _Sitter:
    policy = InTurn(lengths if name != _PLAIN else (0,), FEWEST)
    return _Sitter(bench, PricedRounds(bench.decoder(drafter, policy), policy, clock, name))


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
