"""The law of the next few tokens, from the target alone.

The arithmetic is the oracle's (`draftlab.testing.oracle`), which shares no code with the loop, the rules or the
warping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from draftlab.spec import Sampling
from draftlab.testing.oracle import next_token_law

Text = tuple[int, ...]
Array = NDArray[np.float64]


class TargetLaw:
    """The probabilities of what follows one prompt. A stop token ends a text: nothing follows it."""

    def __init__(
        self,
        logits: Callable[[Sequence[int]], Sequence[float]],
        prompt: Sequence[int],
        sampling: Sampling,
        stop_tokens: frozenset[int],
    ) -> None:
        self._logits = logits
        self._prompt = tuple(prompt)
        self._sampling = sampling
        self._stop = stop_tokens
        self._next: dict[Text, Array] = {}

    def next(self, text: Text) -> Array:
        """The distribution of the token after `text`: [vocab]."""
        if text not in self._next:
            whole = [*self._prompt, *text]
            self._next[text] = np.array(next_token_law(list(self._logits(whole)), whole, self._sampling))
        return self._next[text]

    def is_ended(self, text: Text) -> bool:
        """Whether `text` ends with a stop token."""
        return bool(text) and text[-1] in self._stop

    def is_impossible(self, text: Text) -> bool:
        """Whether the target cannot write `text`, as far as the laws that were asked for tell."""
        return any(text[:i] in self._next and self._next[text[:i]][token] <= 0.0 for i, token in enumerate(text))

    def likely(self, start: Text, num_tokens: int, least: float, most: int) -> dict[Text, float]:
        """At most `most` likely continuations of `start` by `num_tokens`, each with probability >= `least`.

        A beam search for the likeliest: it depends on the law alone, which is what the tests need.
        """
        found = {start: 1.0}
        for _ in range(num_tokens):
            longer: dict[Text, float] = {}
            for text, mass in found.items():
                if self.is_ended(text):
                    longer[text] = mass
                    continue
                law = self.next(text)
                for token in np.flatnonzero(law * mass >= least):
                    longer[(*text, int(token))] = mass * float(law[token])
            found = dict(sorted(longer.items(), key=lambda pair: -pair[1])[:most])
        return found

    def cut(self, tokens: Sequence[int]) -> Text:
        """`tokens` up to their first stop token."""
        return cut(tokens, self._stop)


def cut(tokens: Sequence[int], stop_tokens: frozenset[int]) -> Text:
    """`tokens` up to their first stop token: all that the audit compares."""
    end = next((i for i, token in enumerate(tokens, 1) if token in stop_tokens), len(tokens))
    return tuple(tokens[:end])
