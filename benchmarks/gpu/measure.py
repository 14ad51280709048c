"""One pair, measured in every way, and held against the floor and the bars."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from draftlab.engines.captured import CapturedModel
from draftlab.engines.transformers import TransformersModel

from .assisted import assisted
from .driven import Driven
from .networks import bytes_read, random_network
from .setting import Setting
from .shapes import Pair

_GRAPHS, _DRAFTER, _TARGET = 1.8, 1.5, 1.2  # bars: speed-up by graphs, then times of the floor


def measure(pair: Pair, setting: Setting, bandwidth: float) -> dict[str, Any]:
    """Everything about `pair`; `bandwidth` is in bytes a second, times in ms."""
    real = min(pair.target.vocab_size, pair.drafter.vocab_size)
    target, drafter = (
        random_network(config, setting.device, setting.dtype, real, setting.seed + i)
        for i, config in enumerate((pair.target, pair.drafter))
    )
    said: list[str] = []
    start = perf_counter()
    fast = CapturedModel(target, "target", setting.gamma + 1, said.append)
    small = CapturedModel(drafter, "drafter", 2, said.append)
    fast.prepare(setting.gamma + 1)
    small.prepare(2, setting.gamma, fast.vocab_size)
    prepared = perf_counter() - start
    ways = {
        "eager": Driven(TransformersModel(target, "target"), TransformersModel(drafter, "drafter"), setting),
        "fast": Driven(fast, small, setting),
    }
    for repeat in range(setting.repeats + 1):  # the first is to warm up
        for driven in ways.values():
            driven.decode_both(keep=repeat > 0)
    sizes = {"target": bytes_read(target), "drafter": bytes_read(drafter)}
    floors = {f"{which}_ms": 1e3 * size / bandwidth for which, size in sizes.items()}
    floors["draft_ms"] = setting.gamma * floors["drafter_ms"]
    floors["round_ms"] = floors["target_ms"] + floors["draft_ms"]
    found = {way: driven.results() for way, driven in ways.items()}
    return {
        "name": pair.name,
        "bytes_read": sizes,
        "floor": floors,
        **found,
        "captured": fast.captures and small.captures,
        "prepare_s": prepared,
        "said": said,
        "assisted": assisted(target, drafter, setting),
        "bars": _bars(found, floors, setting.gamma + 1),
    }


def _bars(found: dict[str, Any], floors: dict[str, float], rows: int) -> list[dict[str, Any]]:
    """What was asked for, and whether it was reached."""
    eager, fast = found["eager"], found["fast"]
    gain = fast["speculative_tokens_per_s"] / eager["speculative_tokens_per_s"]
    drafter = fast["drafter_ms"] / floors["drafter_ms"]
    target = fast["target_ms"][str(rows)] / floors["target_ms"]
    return [
        {"bar": f"fast at least {_GRAPHS} times eager", "value": gain, "reached": gain >= _GRAPHS},
        {"bar": f"drafter pass within {_DRAFTER} times the floor", "value": drafter, "reached": drafter <= _DRAFTER},
        {
            "bar": f"target pass of {rows} rows within {_TARGET} times the floor",
            "value": target,
            "reached": target <= _TARGET,
        },
    ]
