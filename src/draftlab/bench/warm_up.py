"""Before anything is timed: decode until the machine has settled. The first passes after loading are slow."""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.bench.plan import PreparedArm, PreparedBench, PreparedPrompt
from draftlab.bench.recorder import Recording
from draftlab.errors import DraftlabError
from draftlab.records import WarmUp

_FIRST_TOKENS = 8
_TOKENS = 16
SETTLED = 0.05
"""Two times per token in a row that differ by less than this share are alike."""
MOST_TRIES = 10
MOST_NS = 20 * 10**9


def warm_up(bench: PreparedBench) -> WarmUp:
    """Every arm decodes a few tokens of the shortest prompt, then the baseline until two times are alike.

    A count of passes is too many for one machine and too few for another: clocks rise for seconds, a compiler may run
    at the third pass. An arm that cannot decode any prompt ends the run before it has begun. A baseline that has to be
    brought up comes last, since it is the one that goes on.
    """
    prompts = sorted(bench.prompts, key=lambda prompt: len(prompt.tokens))
    arms = sorted(bench.arms, key=lambda each: each.bring_up is not None and each.arm.role == "baseline")
    able = [(prepared, _first(prepared, prompts, bench.seed)) for prepared in arms]
    ((baseline, prompt),) = ((prepared, prompt) for prepared, prompt in able if prepared.arm.role == "baseline")
    tries: list[Recording] = []
    settled = False
    while not settled and len(tries) < MOST_TRIES and sum(map(_ns, tries)) < MOST_NS:
        try:
            tries.append(baseline.run(prompt, min(_TOKENS, prompt.record.max_new_tokens), bench.seed))
        except Exception:  # a text that fails further on is a failed trace later on, and no reason not to begin
            break
        settled = len(tries) > 1 and _are_alike(*tries[-2:])
    return WarmUp(
        prompt_id=prompt.record.id,
        tokens=tuple(recording.num_tokens for recording in tries),
        decode_ns=tuple(recording.decode_ns for recording in tries),
        settled=settled,
    )


def _first(prepared: PreparedArm, prompts: Sequence[PreparedPrompt], seed: int) -> PreparedPrompt:
    """The first prompt that an arm can decode."""
    if prepared.bring_up is not None:
        prepared.bring_up()
    failures = []
    for prompt in prompts:
        try:
            prepared.run(prompt, min(_FIRST_TOKENS, prompt.record.max_new_tokens), seed)
            return prompt
        except Exception as error:  # one prompt that fails is a failed trace later on
            failures.append(error)
    first = failures[0]
    if isinstance(first, DraftlabError):
        raise first
    reason = f"{type(first).__name__}: {first}".splitlines()[0]
    raise DraftlabError(f"{prepared.arm.id} cannot decode any prompt: {reason}") from first


def _ns(recording: Recording) -> int:
    return recording.decode_ns + (recording.prefill_ns or 0)


def _are_alike(one: Recording, other: Recording) -> bool:
    before, now = (recording.decode_ns / max(1, recording.num_tokens) for recording in (one, other))
    return abs(now - before) < SETTLED * max(before, now)
