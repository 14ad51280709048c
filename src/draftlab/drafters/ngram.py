"""Prompt lookup (Saxena 2023): what followed the last tokens before is likely to follow them again."""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.errors import DraftlabError
from draftlab.types import Draft, DrafterContext, Rng, Round


class NgramDrafter:
    """Finds the longest suffix that occurred before, at its latest place, and copies what followed it there."""

    def __init__(self, max_ngram: int = 3, min_ngram: int = 1) -> None:
        self.max_ngram = max_ngram
        self.min_ngram = min_ngram
        self._after: dict[tuple[int, ...], int] = {}  # n-gram -> where its latest continuation starts
        self._indexed = 0  # n-grams that end before this place are in the index

    @classmethod
    def build(cls, context: DrafterContext, *, max_ngram: int = 3, min_ngram: int = 1) -> NgramDrafter:
        if not 1 <= min_ngram <= max_ngram:
            raise DraftlabError(
                f"drafter 'ngram' cannot match {min_ngram} to {max_ngram} tokens",
                "It needs 1 <= min_ngram <= max_ngram.",
            )
        return cls(max_ngram, min_ngram)

    def begin(self, prompt: Sequence[int]) -> None:
        self._after.clear()
        self._indexed = 1
        self._index(prompt)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        self._index(tokens)
        start = self._continuation(tokens) if limit > 0 else None
        if start is None:
            return Draft(())
        text = list(tokens)
        # A match near the end runs on into the draft itself, so a text that repeats with a short period is followed
        # too.
        for at in range(start, start + limit):
            text.append(text[at])
        return Draft(text[len(tokens) :])

    def observe(self, outcome: Round) -> None:
        pass

    def _index(self, tokens: Sequence[int]) -> None:
        for end in range(self._indexed, len(tokens)):
            for n in range(self.min_ngram, min(self.max_ngram, end) + 1):
                self._after[tuple(tokens[end - n : end])] = end
        self._indexed = len(tokens)

    def _continuation(self, tokens: Sequence[int]) -> int | None:
        for n in range(min(self.max_ngram, len(tokens) - 1), self.min_ngram - 1, -1):
            start = self._after.get(tuple(tokens[len(tokens) - n :]))
            if start is not None:
                return start
        return None
