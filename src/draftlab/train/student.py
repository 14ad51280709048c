"""What learns, whatever it is: the loop of training, its checkpoints and its curve know no more of it than this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn


class Student(Protocol):
    """A drafter in the making. Its vocabulary's rows are the target's own and are never changed."""

    @property
    def drafter(self) -> str:
        """The name of the drafter that runs what it leaves."""
        ...

    @property
    def network(self) -> nn.Module:
        """What is trained are its parameters that take gradients."""
        ...

    @property
    def rate(self) -> float:
        """By what the usual learning rate is multiplied: less where it begins with weights that are worth keeping."""
        ...

    @property
    def head(self) -> Tensor:
        """[tokens, width]: the target's rows of the tokens that it can draft."""
        ...

    @property
    def target_ids(self) -> Tensor:
        """[tokens], rising: what the target calls them."""
        ...

    def run_ahead(self, tokens: Tensor, features: Tensor, num_steps: int) -> Iterator[Tensor]:
        """tokens [texts, length], features [texts, length - 1, ...] -> of each step, what `head` reads.

        Step s at place i [texts, length - 1, width] is the guess of the token at i + 2 + s, of a draft that has read
        the text up to the token at i + 1 and was right since. The last s places of a step mean nothing.
        """
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What is trained, in float32, by the names of its file."""
        ...

    def write(self, folder: Path) -> int:
        """Write what `drafter` loads; the bytes of the weights."""
        ...
