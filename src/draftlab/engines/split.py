"""A target whose every layer is split over several processes: tensor parallelism as transformers has it.

Its passes are those of `TransformersModel`, made by all processes at once; logits and hidden states come out whole. It
has no `generate`: the library's own would let every process decide for itself when a text ends.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from draftlab.engines.hidden_states import NetworkTap
from draftlab.engines.loading import Checkpoint
from draftlab.engines.loopback import on_loopback
from draftlab.engines.ranks import LOADED, Ranks
from draftlab.errors import UnsupportedError
from draftlab.models import LoadOptions

if TYPE_CHECKING:
    from draftlab.engines.transformers import TransformersModel


class SplitModel:
    """The part of the network in this process, and those in `ranks`, as one model."""

    def __init__(self, own: TransformersModel, ranks: Ranks) -> None:
        self.name = own.name
        self.vocab_size, self.context_length = own.vocab_size, own.context_length
        self.num_layers, self.hidden_size = own.num_layers, own.hidden_size
        self._own = own
        self._ranks = ranks

    @property
    def length(self) -> int:
        return self._own.length

    def reset(self, capacity: int | None = None) -> None:
        self._ranks.later("reset", capacity)
        self._own.reset(capacity)

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        with self._ranks.in_step("forward", list(tokens), num_rows):
            return self._own.forward(tokens, num_rows)

    def rollback(self, length: int) -> None:
        self._own.rollback(length)  # first: what it refuses, the others are not told
        self._ranks.later("rollback", length)

    def embedding(self) -> Tensor:
        with self._ranks.in_step("embedding"):
            return self._own.embedding()

    def head(self) -> Tensor:
        with self._ranks.in_step("head"):
            return self._own.head()

    def features(self, layers: Sequence[int]) -> NetworkTap:
        """Here alone: what leaves a layer is whole in every process."""
        return self._own.features(layers)

    def synchronize(self) -> None:
        """Wait for this process's device, which has waited for the others to put their parts together."""
        self._own.synchronize()

    def close(self) -> None:
        """End the other processes."""
        self._ranks.close()


def load_split(checkpoint: Checkpoint) -> tuple[Any, Ranks]:
    """The part of the network that belongs here, and the processes that have the others."""
    _require_splittable(checkpoint)
    placement = checkpoint.placement()  # now, while no part has taken any memory
    options, name = checkpoint.options, checkpoint.source.reference
    with on_loopback():
        ranks = Ranks(options.tensor_parallel, {"reference": name, "options": _shared(options)}, name)
        try:
            network = checkpoint.load_network(placement)
            ranks.expect(LOADED)
        except BaseException:
            ranks.close()
            raise
    if network.device.type == "cpu":
        options.say(f"{name}: split over {options.tensor_parallel} processes of one CPU, which is slower than one")
    return network, ranks


def _shared(options: LoadOptions) -> dict[str, Any]:
    return {name: getattr(options, name) for name in ("dtype", "device", "trust_remote_code", "allow_pickle")}


def _require_splittable(checkpoint: Checkpoint) -> None:
    """Raise, before any process is started, where the network has no plan or its heads cannot be shared out evenly."""
    name, num = checkpoint.source.reference, checkpoint.options.tensor_parallel
    if "TORCHELASTIC_RUN_ID" in os.environ:
        raise UnsupportedError(
            "torchrun has started this process, and --tensor-parallel starts the processes that it needs by itself",
            f"Run draftlab without torchrun, with --tensor-parallel {num}.",
        )
    if "gguf_file" in checkpoint.where:
        raise UnsupportedError(f"'{name}' is a GGUF file, which cannot be split", "Use a folder of safetensors.")
    empty = checkpoint.empty_network()
    if not empty.base_model._tp_plan:
        raise UnsupportedError(
            f"'{name}' cannot be split: transformers has no tensor-parallel plan for {type(empty).__name__}",
            "Use --device spread, or draftlab bench --engine vllm.",
        )
    config = empty.config.get_text_config(decoder=True)
    for kind, what in (("num_attention_heads", "attention heads"), ("num_key_value_heads", "key and value heads")):
        heads = getattr(config, kind, None)
        if heads and heads % num:
            raise UnsupportedError(
                f"'{name}' cannot be split over {num} processes: its {heads} {what} are no multiple of that",
                f"Give --tensor-parallel a divisor of {heads}, or use --device spread.",
            )
