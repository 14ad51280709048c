"""Manifests, traces and prepared benches made by hand: every number in them is known before anything computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from draftlab.bench.clock import WallClock
from draftlab.bench.plan import PreparedArm, PreparedBench, PreparedPrompt
from draftlab.bench.recorder import Recording
from draftlab.records import Arm, Goal, PromptRecord, Rounds, RunManifest, Trace
from draftlab.spec import Sampling

BASELINE = Arm(id="none", role="baseline", drafter="none", gamma=0, rule="rejection")
DRAFTED = Arm(id="ngram gamma=5", role="drafted", drafter="ngram", gamma=5, rule="rejection")
CONTROL = Arm(id="none again", role="control", drafter="none", gamma=0, rule="rejection")
CLOSING = Arm(id="none at the end", role="closing", drafter="none", gamma=0, rule="rejection", num_prompts=6)
NATIVE = Arm(id="native", role="native", drafter="none", gamma=0, rule="")


def prompt(name: str, category: str = "code") -> PromptRecord:
    """A prompt of one token, called `name`."""
    return PromptRecord(
        id=name, suite="mine", category=category, subcategory="", prompt="x", num_tokens=1, max_new_tokens=8
    )


def manifest(**changes: Any) -> RunManifest:
    """Two prompts of two categories, decoded plainly and with an n-gram drafter, greedily; or what `changes` say."""
    facts: dict[str, Any] = {
        "created": "2026-01-02T03:04:05+00:00",
        "command": ("draftlab", "bench"),
        "experiment": {"target": "toy"},
        "fingerprint": "0123456789abcdef",
        "sampling": Sampling(),
        "stop_tokens": (0,),
        "stop_strings": (),
        "repetitions": 1,
        "seed": 0,
        "arms": (BASELINE, DRAFTED),
        "prompts": (prompt("a", "code"), prompt("b", "prose")),
        "suites": {"mine": "fedcba"},
        "target": {"source": "toy", "dtype": "float64", "device": "cpu"},
        "drafters": {},
        "environment": {},
    }
    return RunManifest(**(facts | changes))


def trace(
    arm: Arm,
    prompt_id: str,
    tokens: Sequence[int] = (1, 2, 3, 4),
    *,
    drafted: Sequence[int] = (),
    accepted: Sequence[int] = (),
    decode_ns: int = 1_000_000,
    prefill_ns: int | None = 500_000,
    repetition: int = 0,
) -> Trace:
    """A decode that went well; without `drafted`, one round per token as in plain decoding."""
    plain = (0,) * len(tokens)
    rounds = Rounds(drafted=tuple(drafted) or plain, accepted=tuple(accepted) or plain)
    return Trace(
        arm=arm.id,
        prompt_id=prompt_id,
        repetition=repetition,
        seed=7,
        status="ok",
        stop="length",
        tokens=tuple(tokens),
        text="text",
        prefill_ns=prefill_ns,
        decode_ns=decode_ns,
        rounds=rounds,
    )


def failure(arm: Arm, prompt_id: str, repetition: int = 0) -> Trace:
    """A decode that raised."""
    return Trace(arm=arm.id, prompt_id=prompt_id, repetition=repetition, seed=7, status="failed", error="Oops: no")


def bench(
    arms: Sequence[Arm] = (BASELINE, DRAFTED),
    *,
    num_prompts: int = 2,
    repetitions: int = 1,
    decode: Callable[[Sequence[int], int, int], Recording] = lambda prompt, room, seed: Recording((1, 2), decode_ns=1),
    goal: Goal | None = None,
) -> PreparedBench:
    """A bench whose arms all do what `decode` does; prompt i is the token i."""
    return PreparedBench(
        experiment={"target": "toy"},
        arms=[PreparedArm(arm, decode) for arm in arms],
        prompts=[PreparedPrompt(prompt(f"p{i}"), [i], capacity=9) for i in range(num_prompts)],
        suites={"mine": "fedcba"},
        repetitions=repetitions,
        seed=3,
        sampling=Sampling(),
        sampling_ignored=(),
        stop_tokens=(),
        stop_strings=(),
        target={"source": "toy", "dtype": "float64", "device": "cpu"},
        drafters={},
        text_of=str,
        bytes_of=lambda token: str(token).encode(),
        clock=WallClock(lambda: None),
        goal=goal,
    )
