"""What an engine may be able to do beyond the contract of `LanguageModel`; asked for by type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from draftlab.spec import Sampling


@runtime_checkable
class GeneratesNatively(Protocol):
    """Its library decodes by itself, which is a check on our baseline."""

    def generate(
        self, prompt: Sequence[int], *, max_new_tokens: int, sampling: Sampling, stop_tokens: Sequence[int], seed: int
    ) -> list[int]: ...
