"""From a resolved model source to a network in memory, through transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, DynamicCache, GenerationConfig, GgufConfig
from transformers.distributed.configuration_utils import DistributedConfig
from transformers.utils import logging

from draftlab.engines.checkpoint import hash_files, require_config, require_gguf, require_weights, weight_files
from draftlab.engines.grouped_attention import use_grouped_attention
from draftlab.engines.hub import require_hub
from draftlab.engines.network import input_device
from draftlab.engines.placement import Placement, choose_dtype, place
from draftlab.engines.tokenizer import HuggingFaceTokenizer
from draftlab.engines.wheel import ensure_converted
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, ModelSource


@dataclass(frozen=True)
class Checkpoint:
    """A model's files, looked at but not loaded."""

    source: ModelSource
    options: LoadOptions
    path: str
    """A hub id or the folder that holds the files."""
    where: Mapping[str, Any]
    """What every `from_pretrained` of this checkpoint has to be told."""
    config: Any

    @property
    def dtype(self) -> torch.dtype:
        return choose_dtype(self.options.dtype, self.config, "gguf_file" in self.where)

    def load_tokenizer(self) -> HuggingFaceTokenizer:
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.path, **self.where)
        except Exception as error:  # the library fails in many ways of its own
            raise _readable(self.source, "tokenizer", error) from error
        loaded = HuggingFaceTokenizer(tokenizer, self.source.reference)
        # Where the files are missing, transformers makes an empty tokenizer of the family's kind and says nothing.
        if loaded.vocabulary().keys() <= loaded.special_ids():
            raise DraftlabError(
                f"'{self.source.reference}' has no tokenizer", "There should be a tokenizer.json beside its weights."
            )
        return loaded

    def placement(self) -> Placement:
        """Where the network will go; raise where it cannot be rolled back or does not fit."""
        return place(self.source.reference, self._inspect(), self.options.device, self.options.tensor_parallel)

    def load_network(self, placement: Placement | None = None) -> Any:
        """Read the weights, to where they were found to fit; without that, refuse what cannot be run first."""
        placement = placement or self.placement()
        extra: dict[str, Any] = {"device_map": "auto"} if placement.spread else {}
        if placement.split:
            extra["distributed_config"] = DistributedConfig(tp_size=self.options.tensor_parallel)
        if "gguf_file" in self.where:
            extra["quantization_config"] = GgufConfig(dequantize=True)
        elif not self.options.allow_pickle:
            extra["use_safetensors"] = True
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                self.path, dtype=self.dtype, output_loading_info=True, **self.where, **extra
            )
        except Exception as error:  # the library fails in many ways of its own
            raise _readable(self.source, "weights", error) from error
        network, found = loaded
        if missing := sorted(found["missing_keys"]):
            # transformers fills them with random numbers: a model that nobody has trained would be measured.
            raise DraftlabError(
                f"'{self.source.reference}' lacks {len(missing)} of its weights, for example {missing[0]}",
                "Is the download complete, and a causal language model?",
            )
        self._settle(network, placement)
        return network.eval()

    def _settle(self, network: Any, placement: Placement) -> None:
        """Put what was read where it will be used."""
        if placement.spread:
            self._look_at_spreading(getattr(network, "hf_device_map", {}))
            return
        if not placement.split:
            network.to(placement.device)
        if placement.device.type == "cpu":
            # Weights that stay memory-mapped can be dropped by the system and read again from disk in mid-run. The
            # parts of split ones were copied out of their file.
            for tensor in () if placement.split else (*network.parameters(), *network.buffers()):
                tensor.data = tensor.data.clone()
            use_grouped_attention(network)

    def generation_config(self) -> GenerationConfig:
        """What the checkpoint says of decoding; where it has no file for that, what its configuration says."""
        try:
            return GenerationConfig.from_pretrained(self.path, **self.where)
        except Exception:  # most often there is no such file; a damaged one is treated alike, as the library does
            return GenerationConfig.from_model_config(self.config)

    def describe(self, network: Any) -> dict[str, Any]:
        return {
            "source": self.source.reference,
            "kind": self.source.kind,
            "engine": "transformers",
            "architecture": type(network).__name__,
            "dtype": str(network.dtype).removeprefix("torch."),
            "device": self._devices(network),
            "parameters": sum(p.numel() for p in network.parameters()),
            "fixed_rows": self.options.fixed_rows,
            "revision": getattr(network.config, "_commit_hash", None),
        }

    def _devices(self, network: Any) -> str | list[str]:
        """Where `network` is; a list if that is more than one place."""
        first, parts = input_device(network), self.options.tensor_parallel
        if parts > 1:
            return [f"cuda:{i}" for i in range(parts)] if first.type == "cuda" else [str(first)] * parts
        # transformers has a map for what it was told to put on one device, too.
        found = sorted({_device_name(place) for place in getattr(network, "hf_device_map", {}).values()})
        return found if len(found) > 1 else str(first)

    def _look_at_spreading(self, device_map: Mapping[str, Any]) -> None:
        """Refuse weights on disk, whose time no measurement should be of; say it of those that a GPU has to fetch."""
        name, places = self.source.reference, [_device_name(place) for place in device_map.values()]
        if "disk" in places:
            raise UnsupportedError(
                f"'{name}' would be spread over the disk as well: {places.count('disk')} of its {len(places)} parts "
                "fit neither the GPUs nor memory, and every pass would be timed by the reading of them",
                "Use --dtype bfloat16, a smaller model or a larger machine, or draftlab bench --engine vllm.",
            )
        if "cpu" in places:
            self.options.say(
                f"{name}: {places.count('cpu')} of its {len(places)} parts are in the machine's memory, and are copied "
                "to a GPU in every pass, which takes most of its time"
            )

    def fingerprint(self) -> dict[str, str]:
        """The sha256 of every local weight file; a hub model is identified by its revision instead."""
        folder = Path(self.path)
        if "gguf_file" in self.where:
            return hash_files([folder / self.where["gguf_file"]])
        return hash_files(weight_files(folder)) if folder.is_dir() else {}

    def empty_network(self) -> Any:
        """The network without its weights: every shape, and no memory."""
        trust = {"trust_remote_code": self.options.trust_remote_code}
        try:
            with init_empty_weights():
                empty: Any = AutoModelForCausalLM.from_config(self.config, **trust)
            empty.tie_weights()  # emptying has made two of what is one
        except Exception as error:  # a damaged configuration, too
            raise _readable(self.source, "architecture", error) from error
        return empty

    def keeps_recurrent_state(self, empty: Any) -> bool:
        """Whether any layer overwrites its state as it reads, so that tokens cannot be taken back."""
        return bool(empty._is_stateful or not DynamicCache(config=self.config).is_croppable)

    def _inspect(self) -> int:
        """The bytes of the weights in the chosen dtype, from an empty copy of the network."""
        empty = self.empty_network()
        if self.keeps_recurrent_state(empty):
            raise UnsupportedError(
                f"'{self.source.reference}' ({type(empty).__name__}) keeps a recurrent state that cannot "
                "be rolled back after a rejection",
                "Speculative decoding here needs a model whose every layer has an attention cache.",
            )
        return int(sum(p.numel() for p in empty.parameters()) * self.dtype.itemsize)


def open_checkpoint(source: ModelSource, options: LoadOptions, *, weights: bool = True) -> Checkpoint:
    """Find the files and read the configuration. A folder has to hold `weights` too, unless they are not needed."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    where: dict[str, Any] = {"trust_remote_code": options.trust_remote_code}
    path = source.location
    match source.kind:
        case "hub":
            where["local_files_only"] = not require_hub(path)
        case "wheel":
            path = str(ensure_converted(source.reference, options.say))
        case "folder":
            require_config(Path(path))
            if weights:
                require_weights(Path(path), options.allow_pickle)
        case "gguf":
            require_gguf(Path(path))
            where["gguf_file"] = Path(path).name
            path = str(Path(path).parent)
    try:
        config = AutoConfig.from_pretrained(path, **where)
    except Exception as error:  # the library fails in many ways of its own
        raise _readable(source, "configuration", error) from error
    return Checkpoint(source, options, path, where, config)


def _device_name(place: Any) -> str:
    """As torch writes it: a device map has numbers for GPUs."""
    return f"cuda:{place}" if isinstance(place, int) else str(place)


def _readable(source: ModelSource, part: str, error: Exception) -> DraftlabError:
    """One line for the many lines with which transformers fails."""
    text = str(error)
    reason = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    if "trust_remote_code" in text:
        hint = "Its code is not part of transformers; pass --trust-remote-code if you trust its author."
    elif source.kind == "hub":
        hint = (
            "Is the id right and the network up? A private model needs `hf auth login`; a local folder needs neither."
        )
    else:
        hint = "Is the download complete, and a causal language model?"
    return DraftlabError(f"cannot load the {part} of '{source.reference}': {reason[:300]}", hint)
