"""From decodes to figures: seconds per prompt, paired ratios, best settings, and where texts part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
from scipy.stats import bootstrap

from benchmarks.side_by_side.arms import DEFAULTS, Arm, parse
from benchmarks.side_by_side.decodes import Decode
from draftlab.stats import CONFIDENCE, MIN_PROMPTS, NUM_RESAMPLES, Estimate


@dataclass(frozen=True)
class Divergence:
    """How the texts of an arm differ from those of another one."""

    compared: int
    different: int
    first: int | None
    """The earliest token, counted from 0, at which any of them does."""


@dataclass(frozen=True)
class Figures:
    """The decodes of the prompts that every arm has decoded equally often."""

    decodes: Sequence[Decode]

    @classmethod
    def of(cls, decodes: Iterable[Decode], suite: str | None = None) -> Figures:
        """Those of `suite`, or of all; a prompt that an arm lacks in a repetition is left out of that repetition."""
        chosen = [decode for decode in decodes if suite in (None, decode.suite)]
        arms = {decode.arm for decode in chosen}
        seen: dict[tuple[str, int], set[str]] = {}
        for decode in chosen:
            seen.setdefault((decode.prompt_id, decode.repetition), set()).add(decode.arm)
        return cls([decode for decode in chosen if seen[decode.prompt_id, decode.repetition] == arms])

    @cached_property
    def arms(self) -> list[Arm]:
        """Families in their usual order, plain before drafts, short drafts before long ones."""
        found = {parse(decode.arm) for decode in self.decodes}
        families = list(DEFAULTS)
        return sorted(found, key=lambda arm: (families.index(arm.family), arm.gamma or 0, arm.setting != "plain", arm))

    @cached_property
    def prompts(self) -> list[str]:
        return list(dict.fromkeys(decode.prompt_id for decode in self.decodes))

    def seconds(self, arm: Arm) -> np.ndarray:
        """By prompt, the median of its repetitions."""
        return np.array([median(self._seconds[arm.name, prompt]) for prompt in self.prompts])

    def tokens_per_s(self, arm: Arm) -> float:
        """The median over prompts."""
        lengths = {decode.prompt_id: len(decode.tokens) for decode in self.decodes}
        return float(np.median([lengths[prompt] for prompt in self.prompts] / self.seconds(arm)))

    def speedup(self, arm: Arm, over: Arm) -> Estimate:
        """The median over prompts of the time of `over` divided by that of `arm`: above 1, `arm` is faster.

        The interval is a percentile bootstrap of that median, prompts being resampled.
        """
        ratios = self.seconds(over) / self.seconds(arm)
        value = float(np.median(ratios))
        if len(ratios) < MIN_PROMPTS or arm == over:
            return Estimate(value)
        found = bootstrap(
            (ratios,), np.median, n_resamples=NUM_RESAMPLES, confidence_level=CONFIDENCE, method="percentile", rng=0
        )
        return Estimate(value, float(found.confidence_interval.low), float(found.confidence_interval.high))

    def best(self, family: str, *, fixed: bool = False) -> Arm | None:
        """The drafting setting of `family` with the least total time over these prompts; `fixed`: of fixed length."""
        drafting = [arm for arm in self.arms if arm.family == family and arm.setting != "plain"]
        drafting = [arm for arm in drafting if arm.gamma is not None] if fixed else drafting
        return min(drafting, key=lambda arm: float(self.seconds(arm).sum()), default=None)

    def divergence(self, arm: Arm, other: Arm) -> Divergence:
        """The texts of `arm` beside those of `other`."""
        texts = {(decode.arm, decode.prompt_id, decode.repetition): decode.tokens for decode in self.decodes}
        pairs = [
            (tokens, texts[other.name, prompt, repetition])
            for (name, prompt, repetition), tokens in texts.items()
            if name == arm.name
        ]
        firsts = [
            next(i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b)
            for mine, theirs in pairs
            if mine != theirs
        ]
        return Divergence(len(pairs), len(firsts), min(firsts, default=None))

    @cached_property
    def _seconds(self) -> dict[tuple[str, str], list[float]]:
        found: dict[tuple[str, str], list[float]] = {}
        for decode in self.decodes:
            found.setdefault((decode.arm, decode.prompt_id), []).append(decode.seconds)
        return found
