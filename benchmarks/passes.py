"""Passes of a loaded model: how long they take, and the bytes that each has to read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

import torch

from draftlab.bench.clock import WallClock
from draftlab.engines.int4 import Int4Linear
from draftlab.engines.int8 import Int8Linear
from draftlab.engines.packing import PackedLinear
from draftlab.errors import DraftlabError
from draftlab.types import LoadedModel

_BANDWIDTH_TRIES = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model whose passes are timed."""

    name: str
    loaded: LoadedModel
    num_logits: int | None
    """Rows of logits that the loop asks of a pass: all (None) of a target, the last one of a drafter."""


Times = dict[tuple[Subject, int, int], list[int]]
"""(model, context, rows) -> nanoseconds of each pass."""


def time_passes(
    subjects: Sequence[Subject], contexts: Sequence[int], rows: Sequence[int], *, turns: range, passes: int
) -> Times:
    """Each model in each context that fits, in rotated order; there, passes of each number of rows take turns too."""
    cells = [(s, c) for s in subjects for c in contexts if fits(s.loaded, c + max(rows))]
    times: Times = {(subject, context, n): [] for subject, context in cells for n in rows}
    for turn in turns:
        for subject, context in rotated(cells, turn):
            for n, taken in _visit(subject, context, rows, passes):
                times[subject, context, n].append(taken)
    return times


def _visit(subject: Subject, context: int, rows: Sequence[int], passes: int) -> Iterator[tuple[int, int]]:
    """Time passes after one text of `context` tokens; the first of each number of rows is not counted."""
    model, clock = subject.loaded.model, WallClock(subject.loaded.synchronize)
    tokens = long_text(subject.loaded, context + max(rows))
    model.reset(len(tokens))
    model.forward(tokens[:context], num_rows=1)
    model.rollback(context)
    for number in range(passes + 1):
        for n in rotated(rows, number):
            start = clock.now_ns()
            model.forward(tokens[context : context + n], num_rows=subject.num_logits)
            taken = clock.now_ns() - start
            model.rollback(context)
            if number:
                yield n, taken


def fits(loaded: LoadedModel, num_tokens: int) -> bool:
    """Whether the model can hold a text of so many tokens."""
    limit = loaded.model.context_length
    return limit is None or num_tokens <= limit


def long_text(loaded: LoadedModel, num_tokens: int) -> list[int]:
    """The source of a module of the standard library, over and over where it is too short."""
    found = loaded.tokenizer.encode(Path(argparse.__file__).read_text(encoding="utf-8"))
    return list(islice(cycle(found), num_tokens))


def rotated(items: Sequence[_T], by: int) -> list[_T]:
    """`items` from another one on, so that no one is always first."""
    start = by % max(1, len(items))
    return [*items[start:], *items[:start]]


def network_of(loaded: LoadedModel) -> Any:
    """The module with the weights, of which the contract says nothing; None where there is none, as for a toy."""
    return getattr(loaded.model, "_network", None)


def device_of(loaded: LoadedModel) -> torch.device:
    """Where the first layer's weights are."""
    network = network_of(loaded)
    where: torch.device = torch.device("cpu") if network is None else network.get_input_embeddings().weight.device
    return where


def pass_bytes(network: Any) -> int:
    """Of weights that a pass over few rows reads, as they are stored; of an embedding it reads a few rows only.

    What a layer in 4 bits keeps for prompts does not count either.
    """
    unread = {id(module.many) for module in network.modules() if isinstance(module, Int4Linear)}
    modules = [m for m in network.modules() if not isinstance(m, torch.nn.Embedding) and id(m) not in unread]
    own = sum(p.numel() * p.element_size() for module in modules for p in module.parameters(recurse=False))
    return int(own) + sum(map(_packed_bytes, modules))


def stored_bytes(network: Any) -> int:
    """Of weights in memory: an embedding as a whole, and a matrix that serves twice once."""
    own = sum(p.numel() * p.element_size() for p in network.parameters())
    return int(own) + sum(map(_packed_bytes, network.modules()))


def _packed_bytes(module: Any) -> int:
    """Of a weight that is no parameter."""
    if isinstance(module, PackedLinear):
        return int(module.in_features * module.out_features * module._packed.dtype.itemsize)
    if isinstance(module, Int4Linear):
        return sum(tensor.numel() * tensor.element_size() for tensor in (module._packed, module._scales))
    if isinstance(module, Int8Linear):
        return int(module.in_features * module.out_features)
    if hasattr(module, "_packed"):
        raise DraftlabError(f"cannot count the bytes of a {type(module).__name__}", "Teach it to benchmarks/passes.py.")
    return 0


def cache_bytes(network: Any, context: int) -> int:
    """Of the keys and values of `context` tokens, all of which a pass reads; a sliding window keeps its own length."""
    config = network.config.get_text_config(decoder=True)
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    window = getattr(config, "sliding_window", None) or context
    entries = sum(min(context, window) if kind == "sliding_attention" else context for kind in kinds)
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * entries * kv_heads * width * network.dtype.itemsize)


def bandwidth(loaded: LoadedModel, mebibytes: int) -> float:
    """Bytes per second that the model's device reads from memory with all threads, the best of several tries.

    A buffer is read that no cache holds: summed up or multiplied with itself on a CPU, copied on a GPU, where reading
    and writing count.
    """
    device = device_of(loaded)
    buffer = torch.ones(mebibytes * 2**20 // 4, device=device)
    works: list[Callable[[], object]] = [buffer.sum, partial(torch.dot, buffer, buffer)]
    moved = buffer.numel() * buffer.element_size()
    if device.type != "cpu":
        works, moved = [partial(torch.empty_like(buffer).copy_, buffer)], 2 * moved
    clock = WallClock(loaded.synchronize)
    best = 0.0
    for _ in range(_BANDWIDTH_TRIES + 1):
        for work in works:
            start = clock.now_ns()
            work()
            best = max(best, moved / (clock.now_ns() - start) * 1e9)
    return best
