"""What is measured, and with what."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Setting:
    """The same for every pair."""

    gamma: int
    acceptance: float
    context: int
    """Tokens before the first that is measured."""
    new_tokens: int
    repeats: int
    """Decodes of each kind, of which the median is taken."""
    times: int
    """Repetitions of single passes and drafts."""
    device: torch.device
    dtype: torch.dtype
    seed: int

    def prompt(self, vocab_size: int) -> list[int]:
        """Any tokens will do."""
        return [(37 * i + 11) % vocab_size for i in range(self.context)]
