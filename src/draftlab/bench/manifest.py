"""The manifest of a prepared bench, and the fingerprint by which a run is resumed."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from draftlab.bench.environment import describe_environment
from draftlab.bench.plan import PreparedBench, PreparedPrompt
from draftlab.records import RunManifest, WarmUp


def make_manifest(bench: PreparedBench, warm_up: WarmUp | None = None) -> RunManifest:
    """Everything that a reader of the traces has to know."""
    return RunManifest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(sys.argv),
        experiment=dict(bench.experiment),
        fingerprint=fingerprint(bench),
        sampling=bench.sampling,
        sampling_ignored=tuple(bench.sampling_ignored),
        stop_tokens=tuple(bench.stop_tokens),
        stop_strings=tuple(bench.stop_strings),
        repetitions=bench.repetitions,
        seed=bench.seed,
        arms=tuple(prepared.arm for prepared in bench.arms),
        prompts=tuple(prepared.record for prepared in bench.prompts),
        suites=dict(bench.suites),
        target=dict(bench.target),
        drafters={name: dict(facts) for name, facts in bench.drafters.items()},
        environment=describe_environment(),
        warm_up=warm_up,
        phase_prompts=tuple(bench.phase_prompts),
        detail_prompts=tuple(bench.detail_prompts),
        goal=bench.goal,
    )


def _identity(facts: Mapping[str, Any]) -> list[Any]:
    return [facts.get(name) for name in ("files", "revision", "dtype", "device", "fixed_rows", "linear")]


def _content(prompt: PreparedPrompt) -> list[Any]:
    """What is decoded: token ids, or what a server makes them from."""
    if prompt.tokens:
        return list(prompt.tokens)
    return [prompt.record.prompt, prompt.record.messages]


def fingerprint(bench: PreparedBench) -> str:
    """A hash of all that decides what is decoded; the machine may differ, the texts may not."""
    content = {
        # Without what is not set: a field that arms did not have once must not change the hash of an older run. That a
        # draft length is auto stands in the id; a resumed run takes the costs from its manifest.
        "arms": [
            prepared.arm.model_dump(exclude_none=True, exclude={"draft_length", "costs"}) for prepared in bench.arms
        ],
        "prompts": [[p.record.id, _content(p), p.record.max_new_tokens] for p in bench.prompts],
        "repetitions": bench.repetitions,
        "seed": bench.seed,
        "sampling": bench.sampling.model_dump(),
        "stop": [sorted(bench.stop_tokens), list(bench.stop_strings)],
        "models": [_identity(facts) for facts in (bench.target, *bench.drafters.values())],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
