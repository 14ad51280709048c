"""A run of two prompts that was recorded token by token, made by hand."""

from __future__ import annotations

from typing import Any

from draftlab.records import Detail, Divergence, RunManifest, WatchedRound
from draftlab.report.reading import Run
from tests.unit.handmade import BASELINE, DRAFTED, manifest, trace

HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202egnp"

WORDS: dict[int, bytes] = {
    0: b"<end>", 1: b"Once", 2: b" upon", 3: b" a", 4: b" time", 5: b"\n", 6: b" midnight", 7: b" dreary",
    8: b"\xe2\x80", 9: b"\x94", 10: HOSTILE.encode(), 11: b" day",
}  # fmt: skip


def watched(drafted: tuple[int, ...], accepted: int, emitted: tuple[int, ...], **changes: Any) -> WatchedRound:
    """A round whose numbers say where they stand: p falls from .9 and q from .8 by .1 a depth."""
    depths = range(len(drafted))
    facts: dict[str, Any] = {
        "drafted": drafted,
        "accepted": accepted,
        "emitted": emitted,
        "p": tuple(0.9 - 0.1 * depth for depth in depths),
        "q": tuple(0.8 - 0.1 * depth for depth in depths),
        "entropy": tuple(0.5 + depth for depth in range(len(drafted) + 1)),
        "overlap": tuple(0.25 for _ in depths),
        "own_p": 0.75,
    }
    return WatchedRound(**(facts | changes))


ROUNDS = (
    watched((2, 7, 3), 1, (2, 3)),  # a correction: " dreary" became " a"
    watched((4, 5), 2, (4, 5, 8)),  # a bonus, which is two thirds of a dash
    watched((), 0, (9,)),  # a plain step, the rest of it
    watched((6, 0, 7), 1, (6, 0)),  # the text ends
)
TEXT = (2, 3, 4, 5, 8, 9, 6, 0)


def run(**changes: Any) -> Run:
    """Prompt a: its text leaves the baseline's at token 6. Prompt b: hostile, and the same text."""
    made: RunManifest = manifest(detail_prompts=("a", "b"))
    hostile = (watched((10, 10), 1, (10, 3)),)
    baseline = trace(BASELINE, "a", (*TEXT[:6], 11, 0)).model_copy(update={"text": " upon a time\n— day"})
    facts: dict[str, Any] = {
        "folder": "run",
        "manifest": made,
        "traces": [
            baseline,
            trace(DRAFTED, "a", TEXT),
            trace(BASELINE, "b", (10, 3)),
            trace(DRAFTED, "b", (10, 3)),
        ],
        "examined": {},
        "samples": [],
        "phases": [],
        "details": [
            Detail(arm=DRAFTED.id, prompt_id="a", prompt_tokens=(1,), rounds=ROUNDS),
            Detail(arm=DRAFTED.id, prompt_id="b", prompt_tokens=(10,), rounds=hostile),
        ],
        "token_bytes": WORDS,
    }
    found = Divergence(arm=DRAFTED.id, prompt_id="a", repetition=0, position=6, margin=0.03, rounding=0.06, kind="tie")
    facts["examined"] = {found.key: found}
    return Run(**(facts | changes))
