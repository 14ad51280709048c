"""A run in one sentence: how much faster, on what, with which arm, and whether the texts are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from draftlab.report.measure import ArmReport, DivergenceReport, Report
from draftlab.report.names import key_of, one_line, short_drafter
from draftlab.stats import MIN_PROMPTS

Tone = Literal["faster", "slower", "mixed", "no difference seen", "too few prompts", "fault"]
_KINDS = (("tie", "tie"), ("rounding", "rounding"), ("real", "REAL difference"), (None, "not examined"))


@dataclass(frozen=True)
class Verdict:
    """The sentence, what it comes to, and the arm that it is about (over all prompts); None where there is none."""

    sentence: str
    tone: Tone
    arm: ArmReport | None


def verdict(report: Report) -> Verdict:
    """Of the best arm that keeps the target's law, or of the best of all where none does."""
    whole = [arm for arm in report.arms if arm.category == "all"]
    best = best_arm(whole)
    if best is None:
        why = "nothing but plain decoding was run" if not whole else "no prompt was decoded both plainly and drafted"
        tone: Tone = "too few prompts" if report.holds else "fault"
        return Verdict(_finished([f"No speed-up to tell: {why}", *_caveats(report, None)]), tone, None)
    rows = [arm for arm in report.arms if key_of(arm) == key_of(best)]
    parts = [_speed(rows, len(whole)), _texts(best), *_caveats(report, best)]
    if not best.lossless:
        parts.insert(1, f"the rule {one_line(best.rule)} is lossy: texts do not follow the target's law")
    return Verdict(_finished(parts), _tone(rows) if report.holds else "fault", best)


def best_arm(arms: Sequence[ArmReport]) -> ArmReport | None:
    """The fastest of the lossless arms, else of the others; None where no arm has a speed-up."""
    known = [arm for arm in arms if arm.walltime_speedup.value is not None]
    return max(known, key=lambda arm: (arm.lossless, arm.walltime_speedup.value or 0.0), default=None)


def times(value: float) -> str:
    """A speed-up in words: two decimals where one would hide on which side of 1 it lies."""
    return f"{value:.2f}x" if value < 1.25 else f"{value:.1f}x"


def _speed(rows: Sequence[ArmReport], num_arms: int) -> str:
    """The speed-up of each category; rows that mean the same share their words."""
    named = [arm for arm in rows if arm.category != "all"] or list(rows)
    shown = [arm for arm in named if arm.walltime_speedup.value is not None]
    pieces = []
    for tone, group in groupby(shown, key=_tone_of):
        members = list(group)
        text = ", ".join(_on(arm, alone=len(named) == 1) for arm in members)
        pieces.append(text + _remark(tone, len(members)))
    gamma = rows[0].gamma if rows[0].draft_length == "fixed" else rows[0].draft_length
    which = f"{short_drafter(rows[0].drafter)}, gamma {gamma}"
    best = f", the best of {num_arms} arms" if num_arms > 1 else ""
    return f"{', '.join(pieces)}, {'with ' if rows[0].drafter else ''}{which}{best}"


def _on(arm: ArmReport, *, alone: bool) -> str:
    value = times(arm.walltime_speedup.value or 0.0)
    return value if alone else f"{value} on {one_line(arm.category)}"


def _remark(tone: Tone, number: int) -> str:
    both = "both " if number == 2 else "all " if number > 2 else ""
    return {
        "slower": f" ({both}slower than plain decoding)",
        "no difference seen": f" ({both}within noise)",
        "too few prompts": f" (no interval below {MIN_PROMPTS} prompts)",
    }.get(tone, "")


def _texts(arm: ArmReport) -> str:
    """An arm with a speed-up has decodes to compare: where none was, every text follows its own chance."""
    if not arm.compared:
        return "texts are sampled, so none is compared"
    if arm.compared == 1 == arm.identical:
        return "output identical"
    what = "prompts" if arm.compared == arm.num_prompts else "texts"
    among = "all" if arm.identical == arm.compared else f"{arm.identical} of"
    return ", ".join([f"output identical on {among} {arm.compared} {what}", *_differing(arm.divergences)])


def identical_texts(arm: ArmReport) -> str:
    """How many texts are the baseline's, and what the others are; a dash where none was compared."""
    return ", ".join([f"{arm.identical}/{arm.compared}", *_differing(arm.divergences)]) if arm.compared else "–"


def _differing(divergences: Iterable[DivergenceReport]) -> list[str]:
    """How many there are of each kind."""
    found: Counter[str | None] = Counter(divergence.kind for divergence in divergences)
    return [f"{found[kind]} {_plural(name, found[kind])}" for kind, name in _KINDS if found[kind]]


def _plural(name: str, number: int) -> str:
    return name + ("s" if number != 1 and name in ("tie", "REAL difference") else "")


def _caveats(report: Report, best: ArmReport | None) -> list[str]:
    """What a reader has to know of the other arms and of the run."""
    whole = [arm for arm in report.arms if arm.category == "all"]
    elsewhere = [d for arm in whole if arm is not best for d in arm.divergences if d.kind == "real"]
    found = [f"{only} in other arms" if best else only for only in _differing(elsewhere)]
    num_failed = report.baseline.num_failed + sum(arm.num_failed for arm in whole)
    num_failed += report.native.num_failed if report.native else 0
    found += [f"{num_failed} decode{'' if num_failed == 1 else 's'} failed"] if num_failed else []
    return found if report.complete else [*found, "the run is not complete"]


def _tone_of(arm: ArmReport) -> Tone:
    value = arm.walltime_speedup.value
    if arm.within_noise is None or value is None:
        return "too few prompts"
    return "no difference seen" if arm.within_noise else "faster" if value > 1 else "slower"


def _tone(rows: Sequence[ArmReport]) -> Tone:
    tones = {_tone_of(arm) for arm in rows if arm.category != "all"} or {_tone_of(rows[0])}
    if {"faster", "slower"} <= tones:
        return "mixed"
    order: tuple[Tone, ...] = ("faster", "slower", "no difference seen", "too few prompts")
    return next(tone for tone in order if tone in tones)


def _finished(parts: Sequence[str]) -> str:
    sentence = "; ".join(parts)
    return sentence[:1].upper() + sentence[1:] + "."
