"""Why a greedy text left its baseline: a tie that rounding decided, rounding, or a real fault.

Both decodes are replayed through the target, pass by pass in the shapes that they had, up to the token where they part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from draftlab.metrics import first_difference
from draftlab.records import Divergence, Trace, TraceKey
from draftlab.types import LanguageModel

_FILLER = 0  # stands for rejected tokens, which are not kept: a row does not see the rows behind it

MOST_STEPS = 16
"""The same token in passes of other shapes was seen up to 0.75 apart in logits of about 25 (bfloat16, two models on a
CPU), which is 4 steps of the dtype at that size."""

Kind = Literal["tie", "rounding", "real"]
Score = Callable[[Tensor, Sequence[int]], Tensor]
"""(logits [1, vocab], text before it) -> the scores [vocab] that greedy decoding compares."""

Reference = Callable[[], LanguageModel | None]
"""The same model in float32, if it can be had."""


@dataclass(frozen=True)
class Examiner:
    """Looks at greedy texts of one target."""

    model: LanguageModel
    score: Score
    eps: float
    """The step of the target's dtype at 1: what rounding can do is a few of these times the scores."""
    reference: Reference = lambda: None
    _seen: dict[tuple[TraceKey, int], tuple[Tensor | None, Tensor | None]] = field(default_factory=dict)
    """What the baseline scored at a token, and the reference: many arms leave a text at the same place."""

    def examine(self, prompt: Sequence[int], capacity: int, plain: Trace, drafted: Trace) -> Divergence | None:
        """What happened at the first difference of two decodes of `prompt`; None where there is none.

        `capacity` is the most tokens that the text might have had: in exact mode the shape of a pass depends on it.
        """
        at = first_difference(plain.tokens, drafted.tokens)
        return None if at is None else self._explain(at, prompt, capacity, plain, drafted)

    def _explain(self, at: int, prompt: Sequence[int], capacity: int, plain: Trace, drafted: Trace) -> Divergence:
        ours, theirs = (trace.tokens[at] if at < len(trace.tokens) else None for trace in (plain, drafted))
        base, exact = self._baseline(prompt, capacity, plain, at)
        arm = self._replay(prompt, capacity, drafted, at)
        margin = rounding = margin_float32 = None
        kind: Kind = "real"  # a text that just ended, too
        if base is not None and arm is not None and ours is not None and theirs is not None:
            margin = float(base[ours] - base[theirs])
            rounding = largest(base - arm)
            margin_float32 = None if exact is None else float(exact[ours] - exact[theirs])
            chose_so = int(base.argmax()) == ours and int(arm.argmax()) == theirs
            # A fault may replay faithfully: a difference beyond what rounding can do is one, too.
            ceiling = MOST_STEPS * self.eps * max(largest(base), largest(arm))
            if chose_so and max(rounding, abs(margin_float32 or 0.0)) <= ceiling:
                kind = "tie" if margin <= rounding else "rounding"
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

    def _baseline(
        self, prompt: Sequence[int], capacity: int, plain: Trace, at: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """The scores of the baseline's new token `at`: as they were, and in float32 where they can be had."""
        key = plain.key, at
        if key not in self._seen:
            if any(seen != plain.key for seen, _ in self._seen):
                self._seen.clear()  # texts come one after another, and each row is as long as the vocabulary
            base = self._replay(prompt, capacity, plain, at)
            text = [*prompt, *plain.tokens[:at]]
            self._seen[key] = base, None if base is None else self._in_float32(text)
        return self._seen[key]

    def _in_float32(self, text: Sequence[int]) -> Tensor | None:
        exact = self.reference()
        if exact is None:
            return None
        exact.reset(len(text))
        return self.score(exact.forward(text, num_rows=1), text)

    def _replay(self, prompt: Sequence[int], capacity: int, trace: Trace, at: int) -> Tensor | None:
        """The scores for new token `at`, out of the same passes that decoded `trace`; None if it ended before."""
        model = self.model
        model.reset(capacity)
        if len(prompt) > 1:
            model.forward(prompt[:-1], num_rows=1)
        tokens = list(prompt)
        for drafted, kept in _rounds(trace):
            filler = [_FILLER] * (drafted + 1 - len(kept))
            logits = model.forward([tokens[-1], *kept[:-1], *filler])
            row = at - (len(tokens) - len(prompt))
            if row < len(kept):
                return self.score(logits[row : row + 1], [*tokens, *kept[:row]])
            tokens += kept
            model.rollback(len(tokens) - 1)
        return None


def largest(scores: Tensor) -> float:
    """The largest finite absolute value."""
    return float(scores.nan_to_num(0.0, 0.0, 0.0).abs().max())


def _rounds(trace: Trace) -> Iterator[tuple[int, Sequence[int]]]:
    """Per round: how many tokens were drafted, and which came out of it."""
    start = 0
    for drafted, emitted in zip(trace.rounds.drafted, trace.rounds.emitted, strict=True):
        yield drafted, trace.tokens[start : start + emitted]
        start += emitted
