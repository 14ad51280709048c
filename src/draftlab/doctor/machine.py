"""What is here: the weights, room for them, and the formats in which they run."""

from __future__ import annotations

from collections.abc import Iterator

from draftlab.doctor.facts import Facts
from draftlab.doctor.findings import Check
from draftlab.engines.placement import choose_device, fits, free_everywhere, free_memory

_GIB = 2**30


def check_machine(target: Facts, drafter: Facts | None, context: int, device: str) -> Iterator[Check]:
    """All checks of files and memory."""
    models = [target] if drafter is None else [target, drafter]
    yield _weights(models)
    yield _dtypes(models, device)
    yield _memory(models, context, device)


def _weights(models: list[Facts]) -> Check:
    pickled = [model.reference for model in models if model.weights == "pickled"]
    missing = [model.reference for model in models if model.weights == "missing"]
    if pickled:
        return Check(
            name="weights",
            status="problem",
            found=f"only pickled ones, which can run code when they are loaded: {', '.join(pickled)}",
            remedy="Convert them to safetensors, or pass --allow-pickle if you trust their author.",
        )
    if missing:
        return Check(
            name="weights",
            status="note",
            found=f"not here: {', '.join(missing)}; looked at through its configuration and tokenizer alone",
            remedy="Download them; then passes can be timed.",
        )
    return Check(name="weights", status="ok", found="here")


def _dtypes(models: list[Facts], device: str) -> Check:
    found = " and ".join(dict.fromkeys(model.dtype for model in models))
    if "float16" in found.split() and choose_device(device).type == "cpu":
        return Check(
            name="dtype", status="note", found=f"{found}, which is slow on a CPU", remedy="Pass --dtype bfloat16."
        )
    if " and " in found:
        return Check(
            name="dtype",
            status="note",
            found=f"target {models[0].dtype}, drafter {models[1].dtype}",
            remedy="Each runs in its own, which is allowed; --dtype gives both the same.",
        )
    if found in ("bfloat16", "float16"):
        found += ": near ties may fall differently in a drafted text (--exact removes that)"
    return Check(name="dtype", status="ok", found=found)


def _memory(models: list[Facts], context: int, asked: str) -> Check:
    device = choose_device(asked)
    needed = sum(model.bytes_at(context) for model in models)
    free = free_memory(device)
    parts = ", ".join(
        f"'{m.reference}' {_gib(m.weight_bytes)} + {_gib(m.bytes_at(context) - m.weight_bytes)}" for m in models
    )
    found = (
        f"{_gib(needed)} GiB for weights and the cache of {context} tokens ({parts}), {_gib(free)} GiB free on {device}"
    )
    if fits(needed, free):
        return Check(name="memory", status="ok", found=found)
    if device.type == "cuda" and asked in ("auto", "spread") and fits(needed, free_everywhere()):
        return Check(
            name="memory",
            status="note",
            found=f"{found}: the weights will be spread over all devices",
            remedy="That is slow, and says little of one device; choose smaller models or a larger GPU.",
        )
    smaller = "" if all(m.dtype != "float32" for m in models) else "--dtype bfloat16, "
    return Check(
        name="memory",
        status="problem",
        found=f"too little: {found}",
        remedy=f"Use {smaller}a smaller model, a shorter --context, or a larger machine.",
    )


def _gib(num_bytes: int) -> str:
    value = num_bytes / _GIB
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
