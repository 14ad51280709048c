"""The law of the target alone, from logits by the chain rule.

An oracle must not share code with what it judges: this module knows nothing of the loop, of `sampling`,
`distributions` or `stopping`, and does its arithmetic in plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from draftlab.spec import Sampling

Logits = Callable[[Sequence[int]], Sequence[float]]
"""The whole text so far -> the logits of the next token."""


def law_of_target(
    logits: Logits,
    prompt: Sequence[int],
    sampling: Sampling,
    max_new_tokens: int,
    stop_tokens: frozenset[int] = frozenset(),
) -> dict[tuple[int, ...], float]:
    """Every continuation that the target can write, with its probability."""
    law: dict[tuple[int, ...], float] = {}
    open_texts: list[tuple[tuple[int, ...], float]] = [((), 1.0)]
    while open_texts:
        text, mass = open_texts.pop()
        if len(text) == max_new_tokens or (text and text[-1] in stop_tokens):
            law[text] = mass
            continue
        whole = [*prompt, *text]
        for token, share in enumerate(next_token_law(list(logits(whole)), whole, sampling)):
            if share > 0.0:
                open_texts.append(((*text, token), mass * share))
    return law


def next_token_law(scores: list[float], text: Sequence[int], sampling: Sampling) -> list[float]:
    """The distribution of the next token, as transformers' processors define it."""
    for token in set(text):
        if token < len(scores):
            negative = scores[token] < 0
            scores[token] *= sampling.repetition_penalty if negative else 1.0 / sampling.repetition_penalty
    if sampling.temperature == 0.0:
        best = max(range(len(scores)), key=scores.__getitem__)  # the first of several
        return [float(token == best) for token in range(len(scores))]
    scores = [s / sampling.temperature for s in scores]
    if sampling.top_k:
        least = sorted(scores)[-min(sampling.top_k, len(scores))]
        scores = [s if s >= least else -math.inf for s in scores]
    if sampling.top_p < 1.0:
        mass = _softmax(scores)
        before = 0.0
        for token in sorted(range(len(scores)), key=mass.__getitem__, reverse=True):
            if before >= sampling.top_p:
                scores[token] = -math.inf
            before += mass[token]
    if sampling.min_p:
        mass = _softmax(scores)
        scores = [s if m >= sampling.min_p * max(mass) else -math.inf for s, m in zip(scores, mass, strict=True)]
    return _softmax(scores)


def _softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    weights = [math.exp(s - top) for s in scores]
    total = math.fsum(weights)
    return [w / total for w in weights]
