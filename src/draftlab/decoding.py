"""The loop of speculative decoding (Leviathan et al. 2023, Algorithm 1), on one screen.

It emits events and owns no clock: who wants times, listens (`draftlab.bench.recorder`). Plain decoding is the same
loop with a drafter that drafts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from draftlab.errors import ContractError, DraftlabError
from draftlab.events import Committed, Drafted, Event, Finished, Prefilled, Scored, Started
from draftlab.stopping import Stopping
from draftlab.types import Chance, Drafter, DraftLength, LanguageModel, Round, StopReason, VerificationRule, Warp


@dataclass(frozen=True)
class Decoder:
    """A target, a drafter and a rule, ready to decode one text after another."""

    target: LanguageModel
    drafter: Drafter
    rule: VerificationRule
    warp: Warp  # the target's logits -> p
    draft_length: DraftLength
    stopping: Stopping

    def decode(self, prompt: Sequence[int], *, max_new_tokens: int, chance: Chance) -> Iterator[Event]:
        """Decode exactly `max_new_tokens` tokens after `prompt`, unless a stop or the context's end comes first."""
        room, end = room_after(self.target, prompt, max_new_tokens)
        yield Started(prompt)
        self.target.reset(len(prompt) + room)
        self.drafter.begin(prompt)
        self.draft_length.begin()
        # The last token is always pending, so that the first round is a round like any other.
        if len(prompt) > 1:
            self.target.forward(prompt[:-1], num_rows=1)
        yield Prefilled()
        tokens = list(prompt)
        for index in count():
            rng = chance.round(index, len(tokens))
            # One place is kept for the target's own token: a length limit never truncates a block.
            draft = self.drafter.propose(tokens, min(self.draft_length.limit(), room - 1), rng)
            if draft.parents is not None:
                raise ContractError("a tree was drafted, and this loop decodes chains")
            yield Drafted(draft)
            logits = self.target.forward([tokens[-1], *draft.tokens])
            p = self.warp(logits, tokens, draft.tokens)
            yield Scored(p, logits)
            verdict = self.rule.verify(draft, p, rng)
            block = [*(draft.tokens[i] for i in verdict.accepted), verdict.next_token]
            kept, stop = self.stopping.cut(tokens[len(prompt) :], block)
            tokens += kept
            room -= len(kept)
            self.target.rollback(len(tokens) - 1)
            outcome = Round(len(draft.tokens), len(verdict.accepted), tuple(kept))
            self.drafter.observe(outcome)
            self.draft_length.observe(outcome)
            yield Committed(outcome)
            if stop or not room:
                yield Finished(stop or end)
                return


def room_after(
    target: LanguageModel, prompt: Sequence[int], max_new_tokens: int, what: str = "the prompt"
) -> tuple[int, StopReason]:
    """How many tokens may follow `prompt`, and what ends the text there; raise where none can."""
    if not prompt:
        raise DraftlabError(f"{what} is empty", "Give it at least one token.")
    limit = target.context_length
    left = max_new_tokens if limit is None else limit - len(prompt)
    if left <= 0:
        raise DraftlabError(
            f"{what} has {len(prompt)} tokens, and the context of '{target.name}' holds {limit}",
            "Shorten or leave out the prompt, or use a target with a longer context.",
        )
    return (max_new_tokens, "length") if max_new_tokens <= left else (left, "context")
