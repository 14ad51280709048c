"""Two drafters in one: prompt lookup where the text's end has occurred before at length, another one elsewhere.

A long match is right more often than most drafters are, and costs no pass. Each round is drafted by one of the two, so
a draft has either no q (lookup) or the other's: the rules see nothing new. Who drafts follows from the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.reference import build_drafter, parse_drafter
from draftlab.errors import DraftlabError
from draftlab.features import ReadsFeatures
from draftlab.types import Draft, Drafter, DrafterContext, Rng, Round


class HybridDrafter:
    """Asks `lookup` first; where it finds nothing, `other` drafts the round."""

    def __init__(self, lookup: NgramDrafter, other: Drafter) -> None:
        self.lookup = lookup
        self.other = other
        self._looked_up = False
        if isinstance(other, ReadsFeatures):
            self.source = other.source  # whoever wraps the target asks for it, too

    @classmethod
    def build(
        cls, context: DrafterContext, *, argument: str = "", lookup_min_ngram: int = 3, lookup_max_ngram: int = 5
    ) -> HybridDrafter:
        if not argument:
            raise DraftlabError("drafter 'lookup' needs another drafter", "Write lookup+model:NAME, or ngram alone.")
        # Refused before anything is loaded.
        lookup = NgramDrafter.build(context, max_ngram=lookup_max_ngram, min_ngram=lookup_min_ngram)
        return cls(lookup, build_drafter(parse_drafter(argument), context))

    def begin(self, prompt: Sequence[int]) -> None:
        self.lookup.begin(prompt)
        self.other.begin(prompt)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        found = self.lookup.propose(tokens, limit, rng)
        self._looked_up = len(found.tokens) > 0
        if not self._looked_up:
            return self.other.propose(tokens, limit, rng)
        self.other.propose(tokens, 0, rng)  # a round in which it drafts nothing: it follows the text all the same
        return found

    def observe(self, outcome: Round) -> None:
        nothing = Round(0, 0, outcome.emitted)
        self.lookup.observe(outcome if self._looked_up else nothing)
        self.other.observe(nothing if self._looked_up else outcome)
