"""A smaller language model as drafter (Leviathan et al. 2023; Chen et al. 2023)."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from draftlab.distributions import PointMasses, join
from draftlab.drafters.agreement import require_agreement
from draftlab.drafters.stopping_early import NEVER, StopEarly, probability_of
from draftlab.errors import DraftlabError
from draftlab.features import DraftsGreedily
from draftlab.sampling import Warper
from draftlab.types import (
    Compression,
    Draft,
    DrafterContext,
    LanguageModel,
    Rng,
    Round,
    Warp,
)


class ModelDrafter:
    """Draws each token from the small model's own distribution, warped like the target's."""

    def __init__(self, model: LanguageModel, warp: Warp, stop_early: StopEarly = NEVER) -> None:
        self.model = model
        self.warp = warp
        self.stop_early = stop_early
        self._committed = 0  # length of the text at the last proposal

    @classmethod
    def build(
        cls,
        context: DrafterContext,
        *,
        argument: str = "",
        compress: Compression = "auto",
        head: int = 0,
        stop_product: float = 0.0,
        stop_confidence: float = 0.0,
    ) -> ModelDrafter:
        if not argument:
            raise DraftlabError("drafter 'model' needs a model", "Write model:NAME, for example model:distilgpt2.")
        stop_early = StopEarly(stop_product, stop_confidence)  # refused before anything is loaded
        if head < 0:
            raise DraftlabError(f"head cannot be {head}", "It is how many tokens can be drafted; 0 is all of them.")
        loaded = context.load_model(argument, compress, head)
        require_agreement(context.target, loaded)
        return cls(loaded.model, context.warp_for(loaded.model.name), stop_early)

    def begin(self, prompt: Sequence[int]) -> None:
        self.model.reset()
        if len(prompt) > 1 and self._room(prompt) > 0:
            self.model.forward(prompt[:-1], num_rows=1)

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        self._committed = len(tokens)
        num = min(limit, self._room(tokens))
        if num > 0 and self._in_one_go():
            return self._propose_in_one_go(tokens, num)
        text = list(tokens)
        rows, scores = [], []
        product = 1.0
        for i in range(num):
            # All that the cache lacks: the pending token, and after a full acceptance the last drafted one as well.
            logits = self.model.forward(text[self.model.length :], num_rows=1)
            row = self.warp(logits, text, ())[0]
            text.append(rng.draw(row, "draft", i))
            rows.append(row)
            scores.append(logits[0])
            if self.stop_early:
                probability = probability_of(text[-1], logits[0])
                product *= probability
                if self.stop_early.ends(probability, product):
                    break
        return Draft(text[len(tokens) :], join(rows), scores) if rows else Draft(())

    def _in_one_go(self) -> bool:
        """Whether nothing is decided between one token and the next, and the model can do without the host."""
        greedy = isinstance(self.warp, Warper) and self.warp.is_argmax
        return greedy and not self.stop_early and isinstance(self.model, DraftsGreedily)

    def _propose_in_one_go(self, tokens: Sequence[int], num: int) -> Draft:
        assert isinstance(self.model, DraftsGreedily) and isinstance(self.warp, Warper)
        drafted, logits = self.model.draft_greedily(tokens[self.model.length :], num, self.warp.width)
        return Draft(drafted, PointMasses(drafted), logits)

    def observe(self, outcome: Round) -> None:
        # The cache never holds the last drafted token, nor anything after the first rejected one.
        self.model.rollback(min(self.model.length, self._committed + outcome.num_accepted))

    def _room(self, tokens: Sequence[int]) -> int:
        """How many tokens fit after `tokens`: none near the end of its context, or after an id that it does not have.

        The target's vocabulary may be wider: its own markers in a prompt, or padding that it happens to draw.
        """
        if any(token >= self.model.vocab_size for token in tokens[self.model.length :]):
            return 0
        limit = self.model.context_length
        return sys.maxsize if limit is None else limit - len(tokens)
