"""The drafter that drafts nothing, which makes the loop plain decoding."""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.types import Draft, DrafterContext, Rng, Round


class NoDrafter:
    """The baseline."""

    @classmethod
    def build(cls, context: DrafterContext) -> NoDrafter:
        return cls()

    def begin(self, prompt: Sequence[int]) -> None:
        pass

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        return Draft(())

    def observe(self, outcome: Round) -> None:
        pass
