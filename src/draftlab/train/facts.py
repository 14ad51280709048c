"""What a drafter learns from, counted in the shards, for its provenance and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from draftlab.engines.licence import licence_of
from draftlab.models import resolve
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import PlannedBatch
from draftlab.train.shards import Shards, num_learned


def facts_of(shards: Shards, target: str, forbidden: Forbidden) -> dict[str, Any]:
    """What was written, and what of it is learned from."""
    digest = hashlib.sha256()
    written = learned = texts = shared = 0
    for tokens, starts, ends, firsts in shards.tokens(held_out=False):
        digest.update(tokens.numpy().tobytes())
        written += int((ends - starts).clamp_min(0).sum())
        learned += num_learned(firsts, ends)
        texts += int((ends > 0).sum())
        shared += sum(forbidden.shared(row[:end]) for row, end in zip(tokens.tolist(), ends.tolist(), strict=True))
    held_out = sum(len(tokens) for tokens, *_ in shards.tokens(held_out=True))
    source = resolve(target)
    return {
        "sha256": digest.hexdigest(),
        "texts": texts,
        "tokens": learned,
        "written_tokens": written,
        "held_out_texts": held_out,
        "licence": licence_of(source),
        "base_model": source.location if source.kind in ("hub", "wheel") else None,
        "overlap": forbidden.finding(shared),
    }


def num_held_out(plan: Sequence[PlannedBatch], shards: Shards) -> int:
    """Prompts of held-out texts that were written: time may have ended the plan before all of them were."""
    held = [batch for number, batch in enumerate(plan) if batch.held_out and shards.has(number)]
    return len({prompt for batch in held for prompt in batch.prompts})
