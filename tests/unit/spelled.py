"""Runs that were recorded token by token, made by hand: every token is spelled out, and every place known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from draftlab.records import Arm, Detail, PromptRecord, RunManifest, WatchedRound
from draftlab.report.reading import Run
from tests.unit.handmade import DRAFTED, manifest, prompt

STOP = 0


class Spelling:
    """Gives every piece of text an id, as a tokenizer does."""

    def __init__(self) -> None:
        self.bytes: dict[int, bytes] = {STOP: b"<end>"}

    def __call__(self, *pieces: str | bytes) -> tuple[int, ...]:
        return tuple(self._id(piece.encode() if isinstance(piece, str) else piece) for piece in pieces)

    def _id(self, piece: bytes) -> int:
        for token, known in self.bytes.items():
            if known == piece:
                return token
        self.bytes[len(self.bytes)] = piece
        return len(self.bytes) - 1


def watched(
    drafted: Sequence[int],
    accepted: int,
    emitted: Sequence[int],
    *,
    entropy: float | Sequence[float] = 1.0,
    overlap: float | Sequence[float] = 0.5,
) -> WatchedRound:
    """A round; one entropy or overlap is that of every row."""

    def spread(value: float | Sequence[float], num: int) -> tuple[float, ...]:
        return tuple(value) if isinstance(value, Sequence) else (value,) * num

    return WatchedRound(
        drafted=tuple(drafted),
        accepted=accepted,
        emitted=tuple(emitted),
        p=(0.5,) * len(drafted),
        entropy=spread(entropy, len(drafted) + 1),
        overlap=spread(overlap, len(drafted)),
    )


def detail(
    prompt_id: str, rounds: Sequence[WatchedRound], prompt_tokens: Sequence[int] = (), arm: Arm = DRAFTED
) -> Detail:
    return Detail(arm=arm.id, prompt_id=prompt_id, prompt_tokens=tuple(prompt_tokens), rounds=tuple(rounds))


def run_of(
    details: Sequence[Detail],
    token_bytes: dict[int, bytes] | None = None,
    prompts: Sequence[PromptRecord] = (),
    **changes: Any,
) -> Run:
    """A run of nothing but details; without `prompts`, code prompts of their names."""
    names = dict.fromkeys(each.prompt_id for each in details)
    facts: RunManifest = manifest(prompts=tuple(prompts) or tuple(prompt(name) for name in names), **changes)
    return Run("run", facts, [], {}, [], [], list(details), token_bytes or {})
