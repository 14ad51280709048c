"""An output head of which only some rows are computed, for drafters (FR-Spec: Zhao et al. 2025, arXiv 2502.14856).

The head of a small model with a large vocabulary is a good part of its weights, and most tokens that it drafts are of
a few thousand. Tokens outside have the logit -inf, before any warping: they cannot be drafted, and q says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.sampling import over_vocabulary


class RestrictedHead(torch.nn.Module):
    """The rows of `tokens` [n] of an output head; the logits are as wide as before."""

    tokens: Tensor

    def __init__(self, head: torch.nn.Linear, tokens: Tensor) -> None:
        super().__init__()
        self.in_features, self.out_features = head.in_features, head.out_features
        self.register_buffer("tokens", tokens.to(head.weight.device), persistent=False)
        self.kept = torch.nn.Linear(self.in_features, len(tokens), bias=head.bias is not None, device="meta")
        self.kept.weight = _rows_of(head.weight, self.tokens)  # copies: an embedding may be tied to the whole of it
        if head.bias is not None:
            self.kept.bias = _rows_of(head.bias, self.tokens)

    def forward(self, hidden: Tensor) -> Tensor:
        return over_vocabulary(self.kept(hidden), self.tokens, self.out_features)


def choose_tokens(num: int, vocab_size: int, added: Iterable[int], name: str) -> list[int]:
    """The `num` ids that a restricted head keeps: all `added` ones, and of the others the lowest.

    A byte-level BPE numbers its tokens in the order of their merges, so the lowest are the most frequent.
    """
    own = {token for token in added if token < vocab_size}
    if not len(own) < num < vocab_size:
        raise DraftlabError(
            f"the head of '{name}' cannot be cut to {num} tokens",
            f"It has {vocab_size} and keeps {len(own)} special and added ones; give a number between these.",
        )
    others = (token for token in range(vocab_size) if token not in own)
    return sorted([*own, *(token for token, _ in zip(others, range(num - len(own)), strict=False))])


@torch.inference_mode()
def restrict_head(network: Any, num: int, added: Iterable[int], name: str) -> None:
    """Let `network` compute `num` rows of its output head."""
    head = network.get_output_embeddings()
    if type(head) is not torch.nn.Linear:
        raise UnsupportedError(f"the head of '{name}' is a {type(head).__name__} and cannot be cut", "Leave out head=.")
    tokens = torch.tensor(choose_tokens(num, head.out_features, added, name))
    network.set_output_embeddings(RestrictedHead(head, tokens))
    first = tokens[:1, None].to(head.weight.device)
    logits = network(input_ids=first, use_cache=False).logits[0, -1]
    if int(logits.isneginf().sum()) != head.out_features - num:
        raise UnsupportedError(
            f"'{name}' does more with its logits than its head says, so the head cannot be cut", "Leave out head=."
        )


def _rows_of(values: Tensor, tokens: Tensor) -> torch.nn.Parameter:
    return torch.nn.Parameter(values.detach()[tokens], requires_grad=False)
