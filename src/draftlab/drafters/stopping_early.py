"""When a draft ends before its limit: as soon as the drafter is not sure of what it has drafted.

The product of the draft's probabilities is an estimate of the chance that all of it is accepted; the probability of one
token is what transformers compares with `assistant_confidence_threshold`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from draftlab.errors import DraftlabError


@dataclass(frozen=True, slots=True)
class StopEarly:
    """Thresholds below which drafting ends; 0 is never. Probabilities are those before warping, at temperature 1."""

    product: float = 0.0
    confidence: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("stop_product", self.product), ("stop_confidence", self.confidence)):
            if not 0.0 <= value <= 1.0:
                raise DraftlabError(f"{name} cannot be {value:g}", "It is a probability, from 0 to 1; 0 never stops.")

    def __bool__(self) -> bool:
        return self.product > 0.0 or self.confidence > 0.0

    def ends(self, probability: float, product: float) -> bool:
        """Whether nothing follows a token of this probability, `product` being that of the draft up to and with it.

        The token itself stays. Were it left out, whether a place is drafted would depend on what was drawn there: the
        tokens that remain would no longer be distributed by q, and the law of a sampled text would be another.
        """
        return probability < self.confidence or product < self.product


NEVER = StopEarly()


def probability_of(token: int, logits: Tensor) -> float:
    """What a row of raw logits [vocab] gives `token` at temperature 1."""
    row = logits if logits.dtype.itemsize >= 4 else logits.float()
    return float((row[token] - row.logsumexp(0)).exp())
