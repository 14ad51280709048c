"""Why a greedy text left its baseline: a tie that rounding decided, rounding, or a real fault.

Both decodes are replayed through the target, pass by pass in the shapes that they had, up to the token where they part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from torch import Tensor

from draftlab.metrics import first_difference
from draftlab.records import Divergence, Trace
from draftlab.types import LanguageModel

_FILLER = 0  # stands for rejected tokens, which are not kept: a row does not see the rows behind it

Score = Callable[[Tensor, Sequence[int]], Tensor]
"""(logits [1, vocab], text before it) -> the scores [vocab] that greedy decoding compares."""

Reference = Callable[[], LanguageModel | None]
"""The same model in float32, if it can be had."""


def examine(
    model: LanguageModel, score: Score, reference: Reference, prompt: Sequence[int], plain: Trace, drafted: Trace
) -> Divergence | None:
    """What happened at the first difference of two greedy decodes of `prompt`; None where there is none."""
    at = first_difference(plain.tokens, drafted.tokens)
    if at is None:
        return None
    ours, theirs = (_token(trace, at) for trace in (plain, drafted))
    base = _replay(model, score, prompt, plain, at)
    arm = _replay(model, score, prompt, drafted, at)
    margin = rounding = margin_float32 = None
    kind: Literal["tie", "rounding", "real"] = "real"
    if base is not None and arm is not None and ours is not None and theirs is not None:
        margin = float(base[ours] - base[theirs])
        rounding = float((base - arm).nan_to_num().abs().max())
        if int(base.argmax()) == ours and int(arm.argmax()) == theirs:
            # The target itself, run in those shapes, says both. Is the step between them as small as rounding's?
            kind = "tie" if margin <= rounding else "rounding"
        exact = reference()
        if exact is not None:
            text = [*prompt, *plain.tokens[:at]]
            exact.reset(len(text))
            scores = score(exact.forward(text, num_rows=1), text)
            margin_float32 = float(scores[ours] - scores[theirs])
    return Divergence(
        arm=drafted.arm,
        prompt_id=drafted.prompt_id,
        repetition=drafted.repetition,
        position=at,
        margin=margin,
        rounding=rounding,
        margin_float32=margin_float32,
        kind=kind,
    )


def _token(trace: Trace, at: int) -> int | None:
    return trace.tokens[at] if at < len(trace.tokens) else None


def _replay(model: LanguageModel, score: Score, prompt: Sequence[int], trace: Trace, at: int) -> Tensor | None:
    """The target's scores for new token `at`, out of the same passes that decoded `trace`; None if it ended before."""
    model.reset(len(prompt) + len(trace.tokens))
    if len(prompt) > 1:
        model.forward(prompt[:-1], num_rows=1)
    tokens = list(prompt)
    for drafted, kept in _rounds(trace):
        filler = [_FILLER] * (drafted + 1 - len(kept))
        logits = model.forward([tokens[-1], *kept[:-1], *filler])
        row = at - (len(tokens) - len(prompt))
        if row < len(kept):
            text = [*tokens, *kept[:row]]
            return score(logits[row : row + 1], text)
        tokens += kept
        model.rollback(len(tokens) - 1)
    return None


def _rounds(trace: Trace) -> Iterator[tuple[int, Sequence[int]]]:
    """Per round: how many tokens were drafted, and which came out of it."""
    start = 0
    for drafted, emitted in zip(trace.rounds.drafted, trace.rounds.emitted, strict=True):
        yield drafted, trace.tokens[start : start + emitted]
        start += emitted
