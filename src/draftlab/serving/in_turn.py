"""A server as an arm, where memory holds only one server at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from draftlab.bench.recorder import Recording
from draftlab.records import PromptRecord
from draftlab.serving.arm import ServedArm
from draftlab.serving.started import Address

NUM_BLOCKS = 2
"""Of a repetition: plain, speculative, speculative, plain, so that a machine that slows down evenly does so for both.
Each further block would be another start, which takes minutes where a model is compiled; further repetitions go on in
the same way."""


@dataclass
class InTurn:
    """Connected anew each time that it was started."""

    open: Callable[[], Address]
    connect: Callable[[str], ServedArm]
    """Makes sure of what the server does as well."""
    _at: Address | None = field(default=None, init=False)
    _server: ServedArm | None = field(default=None, init=False)

    def bring_up(self) -> None:
        """Have it up, and no other."""
        at = self.open()
        if at != self._at:
            self._server, self._at = self.connect(at.url), at

    def __call__(self, prompt: PromptRecord, max_new_tokens: int, seed: int) -> Recording:
        """What it answers."""
        assert self._server is not None, "it is brought up before it is asked"
        return self._server(prompt, max_new_tokens, seed)
