"""What an engine may offer a drafter beyond `types.LanguageModel`: a target's hidden states, and drafting in one go.

Asked for by type. The decoding loop knows nothing of it: a drafter asks the engine when a text begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor


class FeatureTap(Protocol):
    """Hidden states of the tokens that a model passes over, each handed out once."""

    @property
    def num_waiting(self) -> int:
        """How many tokens' hidden states have not been taken."""
        ...

    def take(self) -> Tensor:
        """[tokens, layers * width]: of every cached token since the last call, the layers in the order of their ids."""
        ...


@runtime_checkable
class ShowsFeatures(Protocol):
    """A model whose hidden states, embedding and head can be read."""

    @property
    def num_layers(self) -> int: ...

    @property
    def hidden_size(self) -> int: ...

    def embedding(self) -> Tensor:
        """[vocab, width], not to be written to."""
        ...

    def head(self) -> Tensor:
        """[vocab, width], not to be written to; may be made anew at each call."""
        ...

    def features(self, layers: Sequence[int]) -> FeatureTap:
        """Keep, until the next `reset`, what leaves so many layers for every token passed; 0 is what enters the first.

        Tokens that are rolled back are forgotten. No rollback may reach behind what was taken.
        """
        ...


@runtime_checkable
class ReadsFeatures(Protocol):
    """A drafter that reads them while `source` decodes, so that every token has to pass through that model itself."""

    source: ShowsFeatures


@runtime_checkable
class DraftsGreedily(Protocol):
    """A model that follows its own likeliest tokens without asking the host in between."""

    def draft_greedily(self, tokens: Sequence[int], num: int, width: int | None) -> tuple[list[int], list[Tensor]]:
        """Pass `tokens`, then `num` times the likeliest of a row's first `width`; these, and their logits [vocab].

        The last of them is not passed.
        """
        ...
