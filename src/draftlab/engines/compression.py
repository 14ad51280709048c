"""The form in which linear layers are kept on a CPU: plain, packed, or (drafters only) in 8 bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import DynamicCache

from draftlab.engines.int8 import Int8Linear, require_int8
from draftlab.engines.linear_layers import LINEAR, Site, find_linear_layers
from draftlab.engines.packing import ROWS, PackedLinear, pack
from draftlab.errors import UnsupportedError
from draftlab.models import LoadOptions
from draftlab.types import Compression

SAMPLE = (
    "The committee met again in the spring, and this time it had brought the old maps. Nobody could say why the river "
    "had been drawn so far to the west, or who had paid for it.\n\n"
    "def mean(values: list[float]) -> float:\n    total = 0.0\n    for value in values:\n        total += value\n"
    "    return total / len(values)\n"
)
_POSITIONS = 64
_WARM_UP = 2
_TIMED = 7
_WORTH_IT = 0.9  # of the time that a pass takes otherwise


def arrange_linear_layers(
    network: Any, encode: Callable[[str], list[int]], options: LoadOptions, name: str
) -> dict[str, Any]:
    """Give the linear layers the form that `options` ask for; what the manifest says of it.

    `linear` is "plain", "packed" or "int8". With int8 there is `compress_agreement` (how many of the positions of a
    short text have the same most likely token as before) and, where it was chosen by speed, `compress_ns` (one pass of
    one row).
    """
    if any(parameter.device.type != "cpu" for parameter in network.parameters()):
        return _elsewhere(options, name)
    if options.compress == "int8":
        require_int8(name)
        return {"linear": "int8", "compress_agreement": _compress(network, _sample(network, encode))}
    rows = ROWS if options.fixed_rows is None else (*ROWS, options.fixed_rows)
    reason = pack(network, rows)
    if reason and network.dtype != torch.float32:  # there it is so everywhere, and no news
        options.say(f"{name}: the linear layers stay as they are: {reason}")
    form = "plain" if reason else "packed"
    if options.compress == "none":
        return {"linear": form}
    return _choose(network, _sample(network, encode), form, options, name)


@torch.inference_mode()
def arrange_network(
    options: LoadOptions, network: Any, run: Callable[[int], Tensor], compress: Compression, name: str
) -> str:
    """The same for a network that is no causal language model; `run` is a pass of so many rows over it."""
    if any(parameter.device.type != "cpu" for parameter in network.parameters()):
        return str(_elsewhere(replace(options, compress=compress), name)["linear"])
    form = "plain"
    if compress == "int8":
        require_int8(name)
    else:
        form = "plain" if pack(network, run=run) else "packed"
    if compress == "none":
        return form
    sites = find_linear_layers(network, (*LINEAR, PackedLinear))
    if compress == "auto" and (reason := _why_not(sites, name)):
        options.say(f"drafter {name}: {form}, {reason}")
        return form
    layers = {form: [site.layer for site in sites], "int8": [Int8Linear(site.weight, site.bias) for site in sites]}

    def use(which: str) -> None:
        for site, layer in zip(sites, layers[which], strict=True):
            site.put(layer)

    fastest = "int8"
    if compress == "auto":
        times = _in_turn(tuple(layers), use, lambda: run(1))
        fastest = "int8" if times["int8"] <= _WORTH_IT * times[form] else form
        options.say(f"drafter {name}: {fastest} ({times[fastest] / 1e6:.1f} ms a token)")
    use(fastest)
    return fastest


def _elsewhere(options: LoadOptions, name: str) -> dict[str, Any]:
    if options.compress == "int8":
        raise UnsupportedError(
            f"'{name}' cannot be compressed to int8: it is not on the CPU", "Write compress=none, or use --device cpu."
        )
    if options.compress == "auto":
        options.say(f"drafter {name}: not compressed, since it is not on the CPU")
    return {"linear": "plain"}


@torch.inference_mode()
def _compress(network: Any, sample: Sequence[int]) -> dict[str, int]:
    """Put every linear layer into 8 bits, one after another, so that memory only shrinks."""
    before = _logits(network, sample)
    for site in find_linear_layers(network):
        site.put(Int8Linear(site.weight, site.bias))
        site.drop_weight()
    return _agreement(before, _logits(network, sample))


@torch.inference_mode()
def _choose(network: Any, sample: Sequence[int], form: str, options: LoadOptions, name: str) -> dict[str, Any]:
    """Keep the layers as they are, or in 8 bits where a pass of one row is clearly faster so."""
    sites = find_linear_layers(network, (*LINEAR, PackedLinear))
    if reason := _why_not(sites, name):
        options.say(f"drafter {name}: {form}, {reason}")
        return {"linear": form}
    before = _logits(network, sample)
    layers: dict[str, list[torch.nn.Module]] = {
        form: [site.layer for site in sites],
        "int8": [Int8Linear(site.weight, site.bias) for site in sites],
    }

    def use(which: str) -> None:
        for site, layer in zip(sites, layers[which], strict=True):
            site.put(layer)

    times = _times(network, sample, tuple(layers), use)
    fastest = "int8" if times["int8"] <= _WORTH_IT * times[form] else form
    other = form if fastest == "int8" else "int8"
    use(fastest)
    options.say(
        f"drafter {name}: {fastest} ({times[fastest] / 1e6:.0f} ms a token, {other} {times[other] / 1e6:.0f} ms)"
    )
    facts: dict[str, Any] = {"linear": fastest, "compress_ns": times}
    if fastest == "int8":
        facts["compress_agreement"] = _agreement(before, _logits(network, sample))
    return facts


def _why_not(sites: Sequence[Site], name: str) -> str | None:
    try:
        require_int8(name)
    except UnsupportedError as error:
        return str(error)
    sizes = [site.num_weights for site in sites]
    if not sizes:
        return "there is nothing to compress"
    needed = sum(sizes) + 12 * max(sizes)  # the copy, and one layer in float32 on its way there
    if needed > psutil.virtual_memory().available:
        return "there is no memory to try int8 beside it"
    return None


def _times(network: Any, sample: Sequence[int], forms: Sequence[str], use: Callable[[str], None]) -> dict[str, int]:
    """The median time of a pass of one row in each form, in nanoseconds; the forms take turns."""
    cache = DynamicCache(config=network.config)
    cache.activate_past_recording()
    network(input_ids=torch.tensor([list(sample)]), past_key_values=cache, use_cache=True, logits_to_keep=1)
    cache.crop(0)
    token = torch.tensor([[sample[-1]]])

    def run() -> None:
        network(input_ids=token, past_key_values=cache, use_cache=True, logits_to_keep=1)

    return _in_turn(forms, use, run, lambda: cache.crop(-1))


def _in_turn(
    forms: Sequence[str],
    use: Callable[[str], None],
    run: Callable[[], object],
    undo: Callable[[], object] = lambda: None,
) -> dict[str, int]:
    """The median time of `run` in each form."""
    taken: dict[str, list[int]] = {form: [] for form in forms}
    for _ in range(_WARM_UP + _TIMED):
        for form in forms:
            use(form)
            start = time.perf_counter_ns()
            run()
            taken[form].append(time.perf_counter_ns() - start)
            undo()
    return {form: int(median(times[_WARM_UP:])) for form, times in taken.items()}


def _sample(network: Any, encode: Callable[[str], list[int]]) -> list[int]:
    vocab = network.get_input_embeddings().weight.shape[0]
    limit = getattr(network.config.get_text_config(decoder=True), "max_position_embeddings", None) or _POSITIONS
    tokens = [token for token in encode(SAMPLE) if token < vocab][: min(_POSITIONS, limit - 1)]
    return tokens or [0]


def _logits(network: Any, tokens: Sequence[int]) -> Tensor:
    logits: Tensor = network(input_ids=torch.tensor([list(tokens)]), use_cache=False).logits[0]
    return logits


def _agreement(before: Tensor, after: Tensor) -> dict[str, int]:
    return {"equal": int((before.argmax(-1) == after.argmax(-1)).sum()), "positions": len(before)}
