"""How thorough an audit is, and what all of its parts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from draftlab.audit.goodness import detectable, samples_needed
from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.testing.planted import PLANTED, PlantedBug

FIRSTS = 3  # conditional tests after so many likely first tokens,
PAIRS = 2  # and after so many likely pairs
_FEWEST, _MOST = 100, 1_000_000  # samples of a prompt
_FOR_A_MODEL = ("residual_from_p", "argmax_with_soft_q", "equal_coins")


@dataclass(frozen=True)
class Plan:
    """How thorough an audit is."""

    gamma: int
    detects: float = 0.05
    """The total variation that is to be found,"""
    power: float = 0.9
    """with at least this probability,"""
    level: float = 0.001
    """where a lossless implementation is accused no more often than this."""
    num_prompts: int = 2
    num_greedy: int = 8
    greedy_tokens: int = 48
    controls: tuple[str, ...] | None = None
    """Names of planted bugs; None: those that suit the drafter."""
    samples: int | None = None
    """Samples of each prompt, instead of what `detects` asks for."""

    def __post_init__(self) -> None:
        for name, value in (("tv", self.detects), ("power", self.power), ("level", self.level)):
            if not 0 < value < 1:
                raise DraftlabError(f"--{name} cannot be {value:g}", "It lies between 0 and 1.")
        if self.power <= self.level:
            raise DraftlabError(f"a power of {self.power:g} at a level of {self.level:g} is no test", "Raise --power.")
        if self.num_prompts < 1:
            raise DraftlabError(f"--prompts cannot be {self.num_prompts}", "At least one is sampled.")
        if not _FEWEST <= self.num_samples <= _MOST:
            raise DraftlabError(
                f"an audit of {self.num_samples:,} samples of each prompt makes no sense",
                f"Choose --tv or --samples so that there are {_FEWEST} to {_MOST:,}.",
            )
        for name in self.controls or ():
            if find_bug(name).breaks != "law":
                raise DraftlabError(f"'{name}' keeps the law, so it is no control", "Choose a bug that breaks it.")

    @property
    def sizes(self) -> list[int]:
        """The texts whose law is tested have so many tokens; the longest is a full draft with the token after it."""
        return sorted({1, 2, 3, self.gamma + 1})

    @property
    def num_tokens(self) -> int:
        """How long a sample is. The loop drafts no further than the text may go, so gamma needs its room."""
        return max(self.sizes)

    @property
    def num_tests(self) -> int:
        """At most so many, over all prompts."""
        return (len(self.sizes) + FIRSTS + PAIRS) * self.num_prompts

    @property
    def level_of_one(self) -> float:
        """The level of each test (Bonferroni)."""
        return self.level / self.num_tests

    @property
    def num_samples(self) -> int:
        """Samples of each prompt."""
        return self.samples if self.samples is not None else samples_needed(self.detects, self.power, self.level_of_one)

    def really_detects(self, num_cells: int) -> float:
        """What `num_samples` are good for, over so many cells."""
        return detectable(self.num_samples, self.power, self.level_of_one, num_cells)

    def suitable_controls(self, drafts_from_q: bool) -> tuple[str, ...]:
        """The planted bugs to run. The first of them has to be found before anything is called lossless."""
        if self.controls is None:
            names = [name for name in _FOR_A_MODEL if drafts_from_q or not PLANTED[name].needs_q]
            return tuple(name for name in names if name != "equal_coins" or (self.gamma > 1 and drafts_from_q))
        for name in self.controls:
            find_bug(name, drafts_from_q)
        return self.controls


def find_bug(name: str, drafts_from_q: bool = True) -> PlantedBug:
    """The planted bug called `name`; raise if there is none, or if it cannot show with a drafter that has no q."""
    if name not in PLANTED:
        raise UnknownNameError("planted bug", name, PLANTED)
    if PLANTED[name].needs_q and not drafts_from_q:
        raise DraftlabError(f"'{name}' shows with a drafter that is a model only", "Give --drafter model:NAME.")
    return PLANTED[name]


class Watcher(Protocol):
    """Told how an audit goes on."""

    def begins(self, what: str, total: int) -> None: ...

    def advances(self) -> None: ...


@dataclass(frozen=True)
class AuditPrompt:
    """A prompt, encoded."""

    id: str
    tokens: Sequence[int]
