"""The two networks as `from_pretrained` gives them, in memory once for all that can share them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from transformers import GenerationConfig

from draftlab.engines.loading import Checkpoint, open_checkpoint
from draftlab.models import LoadOptions, resolve
from draftlab.spec import Dtype
from draftlab.types import Tokenizer
from draftlab.workbench import Report


@dataclass(frozen=True)
class Networks:
    """Target and drafter, each read when it is first needed.

    Their weights are copied out of the memory-mapped file, as for every arm here. Their generation configs are bare:
    a checkpoint's own may hold a repetition penalty, which only some implementations apply.
    """

    target_name: str
    drafter_name: str
    dtype: Dtype
    say: Report

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return self._checkpoint(self.target_name).load_tokenizer()

    @cached_property
    def target(self) -> Any:
        return self._load(self.target_name)

    @cached_property
    def drafter(self) -> Any:
        return self._load(self.drafter_name)

    def _load(self, name: str) -> Any:
        self.say(f"loading {name} as transformers loads it")
        network = self._checkpoint(name).load_network()
        network.generation_config = GenerationConfig()
        return network

    def _checkpoint(self, name: str) -> Checkpoint:
        return open_checkpoint(resolve(name), LoadOptions(dtype=self.dtype, device="cpu", say=self.say))
