"""Which form of a drafter's linear layers pays on this CPU: as loaded, or in 8 or 4 bits; found by measuring."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from draftlab.engines.int4 import Int4Linear, fits_int4, require_int4
from draftlab.engines.int8 import Int8Linear, require_int8
from draftlab.engines.linear_layers import Site
from draftlab.errors import UnsupportedError

COMPRESSED = ("int8", "int4")
Agreement = dict[str, int]
_WARM_UP = 2
_TIMED = 7
_WORTH_IT = 0.9  # of the time that a pass takes otherwise
_HALF = 0.5  # of a round is drafting, or about that, where drafting pays


@dataclass(frozen=True, slots=True)
class Passes:
    """What is run to measure a form."""

    step: Callable[[], object]
    """A pass of one row."""
    logits: Callable[[], Tensor]
    """[positions, vocab] over a short text."""
    undo: Callable[[], object] = lambda: None
    """After each step."""


def require_form(form: str, name: str) -> None:
    """Raise unless this machine can multiply weights of that form."""
    {"int8": require_int8, "int4": require_int4}[form](name)


def compress_layer(
    site: Site, form: str, head: object, importance: Tensor | None, wide: torch.nn.Module | None = None
) -> torch.nn.Module:
    """The layer of `site` in 8 or 4 bits; what 4 bits do not suit gets 8, or stays where there are none.

    `wide` is the layer in 8 bits, where there is one already. The output `head` does not suit 4 bits: they saved a
    Qwen2.5-Coder-0.5B 6 % of a pass and cost it two hundredths of the overlap with the uncompressed network, where all
    other layers together cost three to five (decision 0020).
    """
    weight = site.weight
    has_int8 = form == "int8" or _why_unsupported("int8", "") is None
    wide = wide or (Int8Linear(weight, site.bias) if has_int8 else None)
    if form == "int4" and site.layer is not head and fits_int4(weight):
        return Int4Linear(weight, site.bias, importance, wide)
    layer: torch.nn.Module = site.layer
    return layer if wide is None else wide


def mean_squares(sites: Sequence[Site], run: Callable[[], object]) -> dict[Site, Tensor]:
    """The mean square of each input of each layer [in] over what `run` passes through it."""
    found: dict[Site, Tensor] = {}

    def listen(site: Site) -> RemovableHandle:
        def keep(_layer: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[site] = inputs[0].detach().float().flatten(0, -2).square().mean(0)

        handle: RemovableHandle = site.layer.register_forward_pre_hook(keep)
        return handle

    handles = [listen(site) for site in sites]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found


def choose_form(
    sites: Sequence[Site], form: str, passes: Passes, head: object, say: Callable[[str], None], name: str
) -> dict[str, Any]:
    """Leave the layers in `form`, or compress them where a pass of one row is clearly faster so; what is known of it.

    4 bits are taken where they are clearly faster than all else, and the share of a pass that they save is twice the
    share of likeliest tokens that they lose against 8 bits: drafting is half of a round, a rejection ends all of it.
    """
    layers: dict[str, list[torch.nn.Module]] = {form: [site.layer for site in sites]}
    reasons = []
    for smaller in COMPRESSED:  # one after another: each is asked for with what the last has left
        if reason := _why_not(smaller, sites, name):
            reasons.append(reason)
        else:
            squares = mean_squares(sites, passes.logits) if smaller == "int4" else {}
            made = layers.get("int8", [None] * len(sites))  # not made twice
            layers[smaller] = [
                compress_layer(site, smaller, head, squares.get(site), wide)
                for site, wide in zip(sites, made, strict=True)
            ]
    if len(layers) == 1:
        say(f"drafter {name}: {form}, {reasons[0]}")
        return {"linear": form}
    before = passes.logits()

    def use(which: str) -> None:
        for site, layer in zip(sites, layers[which], strict=True):
            site.put(layer)

    times = measure(tuple(layers), use, passes)
    agreements = {}
    for smaller in COMPRESSED:
        if smaller in layers:
            use(smaller)
            agreements[smaller] = agreement_of(before, passes.logits())
    chosen = _choose(form, times, agreements)
    use(chosen)
    say(f"drafter {name}: {_in_words(chosen, times, agreements)}")
    facts: dict[str, Any] = {"linear": chosen, "compress_ns": times}
    return facts | ({} if chosen == form else {"compress_agreement": agreements[chosen]})


def measure(forms: Sequence[str], use: Callable[[str], None], passes: Passes) -> dict[str, int]:
    """The median time of a pass of one row in each form, in nanoseconds; the forms take turns."""
    taken: dict[str, list[int]] = {form: [] for form in forms}
    for _ in range(_WARM_UP + _TIMED):
        for form in forms:
            use(form)
            start = time.perf_counter_ns()
            passes.step()
            taken[form].append(time.perf_counter_ns() - start)
            passes.undo()
    return {form: int(median(times[_WARM_UP:])) for form, times in taken.items()}


def agreement_of(before: Tensor, after: Tensor) -> Agreement:
    """At how many positions two networks have the same most likely token."""
    return {"equal": int((before.argmax(-1) == after.argmax(-1)).sum()), "positions": len(before)}


def _choose(form: str, times: Mapping[str, int], agreements: Mapping[str, Agreement]) -> str:
    best = form
    if "int8" in times and times["int8"] <= _WORTH_IT * times[form]:
        best = "int8"
    if "int4" not in times or times["int4"] > _WORTH_IT * times[best]:
        return best
    found = agreements["int4"]
    beside = agreements["int8"]["equal"] if "int8" in agreements else found["positions"]
    saved = 1.0 - times["int4"] / times[best]
    lost = 1.0 - found["equal"] / max(1, beside)
    return "int4" if lost <= _HALF * saved else best


def _in_words(chosen: str, times: Mapping[str, int], agreements: Mapping[str, Agreement]) -> str:
    """The form, and in brackets for each what a token takes and what it changes."""
    parts = []
    for form in sorted(times, key=lambda form: form != chosen):
        agreed = agreements.get(form)
        label = "" if form == chosen else f"{form} "
        cost = f", {agreed['equal']} of {agreed['positions']} likeliest tokens the same" if agreed else ""
        parts.append(f"{label}{times[form] / 1e6:.1f} ms a token{cost}")
    return f"{chosen} ({'; '.join(parts)})"


def _why_not(form: str, sites: Sequence[Site], name: str) -> str | None:
    """Why a form is not tried."""
    if reason := _why_unsupported(form, name):
        return reason
    sizes = [site.num_weights for site in sites]
    if not sizes:
        return "there is nothing to compress"
    needed = sum(sizes) + 12 * max(sizes)  # the copy, and one layer in float32 on its way there
    if needed > psutil.virtual_memory().available:
        return f"there is no memory to try {form} beside it"
    return None


def _why_unsupported(form: str, name: str) -> str | None:
    try:
        require_form(form, name)
    except UnsupportedError as error:
        return str(error)
    return None
