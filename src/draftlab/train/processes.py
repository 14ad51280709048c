"""Several processes that learn as one, started by `accelerate launch` or torchrun; one by itself where none was.

Each adds up the gradients of its share of a batch, weighted by what the whole batch has to learn, so that the sum over
all is the gradient of one process. accelerate's own wrapper of a network would average over processes instead, whatever
their shares have to learn, and only where the network's `forward` is called, which running ahead does not do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor

from draftlab.engines.placement import choose_device

_T = TypeVar("_T")
# One judges or writes for long while others wait; who has died is the launcher's to tell.
_PATIENCE = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Processes:
    """All of them, as one of them sees them; the first writes."""

    num: int = 1
    index: int = 0
    device: str = "cpu"

    @classmethod
    def launched(cls, device: str) -> Processes:
        """Those that were started with this one, which take `device`."""
        if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=choose_device(device).type != "cuda", timeout=_PATIENCE)
        return cls(state.num_processes, state.process_index, str(state.device))

    @property
    def is_first(self) -> bool:
        return self.index == 0

    def wait(self) -> None:
        """Until every process has come so far."""
        if self.num > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def agree(self, find: Callable[[], _T]) -> _T:
        """What the first process finds."""
        if self.num == 1:
            return find()
        from accelerate.utils import broadcast_object_list

        found: list[_T] = broadcast_object_list([find() if self.is_first else None])
        return found[0]

    def own(self, texts: int) -> range:
        """The numbers of those of a batch's texts that this process learns from."""
        return range(self.index, texts, self.num)

    def add_up(self, parameters: Iterable[torch.nn.Parameter], loss: float) -> float:
        """Replace gradients by their sums over all processes; the sum of the losses."""
        if self.num == 1:
            return loss
        from accelerate.utils import reduce

        learned = [each for each in parameters if each.requires_grad]
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in learned]
        flat = torch.cat([each.detach().flatten().float() for each in gradients] + [gradients[0].new_tensor([loss])])
        summed: Tensor = reduce(flat.to(self.device), reduction="sum")
        for each, part in zip(learned, torch.split(summed[:-1], [each.numel() for each in learned]), strict=True):
            each.grad = part.view_as(each).to(each)
        return float(summed[-1])


ALONE = Processes()
