"""A student that stands alone: a language model of the target's family with fewer layers.

It begins with the target's embedding, head and last norm, and with some of its layers or new ones. Embedding and head
stay as they are: they are most of its weights, and with the target's head it has to come to the target's last hidden
state up to what the head does not see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from draftlab.engines.batches import BatchNetwork
from draftlab.engines.shallow import save_network
from draftlab.engines.tokenizer import HuggingFaceTokenizer
from draftlab.errors import DraftlabError
from draftlab.train.settings import TrainSettings

_SHARE = 8  # it has one layer for so many of the target's, unless another number is given
_CAREFUL = 0.25  # of the usual learning rate, for layers of the target: not measured yet


@dataclass(frozen=True)
class SmallModel:
    """The network that is trained, and what its folder takes from the target."""

    drafter: ClassVar[str] = "model"
    network: Any
    rate: float
    head: Tensor
    """[vocab, width], as the target has it."""
    dtype: torch.dtype
    """Of its file."""
    tokenizer: HuggingFaceTokenizer
    generation_config: Any

    @cached_property
    def target_ids(self) -> Tensor:
        """All of them."""
        return torch.arange(len(self.head))

    def run_ahead(self, tokens: Tensor, features: Tensor, num_steps: int) -> Iterator[Tensor]:
        """One pass: a draft that was right so far has read what stands in the text."""
        hidden = self.network.base_model(input_ids=tokens, use_cache=False).last_hidden_state[:, 1:]
        for step in range(num_steps):
            yield pad(hidden[:, step:], (0, 0, 0, step))

    def tensors(self) -> dict[str, Tensor]:
        """Of the layers and the norms."""
        return {name: value.detach() for name, value in self.network.named_parameters() if value.requires_grad}

    def write(self, folder: Path) -> int:
        """An ordinary folder: config.json, model.safetensors, generation_config.json and the tokenizer's files."""
        num_bytes = save_network(self.network, folder, self.dtype, self.generation_config)
        self.tokenizer.save(folder)
        return num_bytes


def layers_to_take(num_layers: int, settings: TrainSettings) -> tuple[int, ...]:
    """Which of the target's layers it begins with, or of which kinds its new ones are; the first is 0."""
    asked = settings.from_layers
    if isinstance(asked, tuple):
        if list(asked) != sorted(set(asked)) or not 0 <= asked[0] <= asked[-1] < num_layers:
            raise DraftlabError(
                f"--from-layers cannot be {','.join(map(str, asked))}: the target has layers 0 to {num_layers - 1}",
                "Give rising numbers, each once.",
            )
        chosen = asked
    else:
        chosen = _spread(settings.num_layers or min(num_layers - 1, max(2, -(-num_layers // _SHARE))), num_layers)
    if not 0 < len(chosen) < num_layers:
        raise DraftlabError(
            f"a model of {max(1, len(chosen))} layers is no smaller than the target, which has {num_layers}",
            "Give a smaller --num-layers, or train a head.",
        )
    return chosen


def _spread(num: int, of: int) -> tuple[int, ...]:
    """Evenly, with the first and the last; of one, the first."""
    if num > of:
        return tuple(range(of))
    return tuple(round(i * (of - 1) / max(1, num - 1)) for i in range(num))


def new_small_model(target: BatchNetwork, layers: Sequence[int], settings: TrainSettings) -> SmallModel:
    """An untrained one; the same for the same seed."""
    fresh = settings.from_layers == "fresh"
    torch.manual_seed(settings.seed)
    network = target.shallow(layers, fresh=fresh)
    for module in network.modules():
        if isinstance(module, torch.nn.Embedding):
            module.requires_grad_(False)
    network.get_output_embeddings().requires_grad_(False)
    head = target.head().clone().to(network.get_input_embeddings().weight.device)  # the target may be on several
    return SmallModel(network, 1.0 if fresh else _CAREFUL, head, head.dtype, target.tokenizer, target.generation_config)
