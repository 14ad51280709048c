"""Every decode of a run that failed, timed or watched, as the page lists them."""

from __future__ import annotations

from dataclasses import dataclass

from draftlab.report.names import key_of, one_line, short_names
from draftlab.report.reading import Run

_PLAIN = {
    "baseline": "plain decoding",
    "control": "plain decoding, a second time",
    "closing": "plain decoding, at the end",
    "native": "the engine's own generate",
}
"""The arms without a drafter, by role."""


@dataclass(frozen=True)
class Failure:
    """One decode; `decode` says which of those of its arm and prompt."""

    arm: str
    prompt_id: str
    decode: str
    error: str


def failures(run: Run) -> list[Failure]:
    """Timed decodes first, then those that were watched for costs, then those recorded token by token."""
    short = short_names(run.arms("drafted"))
    names = {arm.id: _PLAIN.get(arm.role) or short[key_of(arm)] for arm in run.manifest.arms}
    found = [
        (t.arm, t.prompt_id, f"timed, repetition {t.repetition}", t.error) for t in run.traces if t.status == "failed"
    ]
    found += [(p.arm, p.prompt_id, "watched for costs", p.error) for p in run.phases if p.error is not None]
    found += [(d.arm, d.prompt_id, "recorded by token", d.error) for d in run.details if d.error is not None]
    return [
        Failure(names.get(arm) or one_line(arm), one_line(prompt), decode, one_line(error or ""))
        for arm, prompt, decode, error in found
    ]
