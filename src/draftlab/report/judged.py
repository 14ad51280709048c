"""Every token that a drafted arm had judged in its watched decodes, with all that may explain its acceptance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from draftlab.records import Arm, Detail
from draftlab.report.languages import is_code
from draftlab.report.reading import Run
from draftlab.report.token_classes import TokenClass, token_classes


@dataclass(frozen=True, slots=True)
class Judged:
    """One drafted token that was accepted or rejected, at a place of the text."""

    accepted: bool
    overlap: float
    """The sum of min(p, q) after warping: the acceptance to expect."""
    entropy: float
    """Of the target at this place, before warping, in nats."""
    token_class: TokenClass
    """Of the token that stands there in the end. Where the drafted one was rejected it is the target's own, so that
    drafters are compared by the same classes, and a bad drafter makes no class of its own."""


def judged_tokens(run: Run, arm: Arm, category: str) -> dict[str, list[Judged]]:
    """The judged tokens of each prompt of a category that was recorded token by token."""
    prompts = {p.id: p for p in run.manifest.prompts if category in ("all", p.category)}
    return {
        detail.prompt_id: list(_judged(run, detail, code=is_code(prompts[detail.prompt_id])))
        for detail in run.details
        if detail.arm == arm.id and detail.prompt_id in prompts and detail.error is None
    }


def _judged(run: Run, detail: Detail, *, code: bool) -> Iterator[Judged]:
    classes = _classes(run, detail, code=code)
    start = 0
    for watched in detail.rounds:
        num_judged = watched.accepted + (watched.accepted < len(watched.drafted))
        # A stop may have cut the text off before a token that was judged, which then has no place in it.
        for i in range(min(num_judged, len(watched.emitted))):
            yield Judged(i < watched.accepted, watched.overlap[i], watched.entropy[i], classes[start + i])
        start += len(watched.emitted)


def _classes(run: Run, detail: Detail, *, code: bool) -> list[TokenClass]:
    """The class of each new token."""
    stops = set(run.manifest.stop_tokens)
    text = (*detail.prompt_tokens, *detail.tokens)
    spelled = tuple(b"" if token in stops else run.token_bytes.get(token, b"") for token in text)
    found = token_classes(spelled, code=code)[len(detail.prompt_tokens) :]
    return ["end" if token in stops else each for token, each in zip(detail.tokens, found, strict=True)]
