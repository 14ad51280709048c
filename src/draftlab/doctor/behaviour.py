"""Can tokens be taken back, how far do texts go, and what else changes the output?"""

from __future__ import annotations

from collections.abc import Iterator

from draftlab.doctor.facts import Facts
from draftlab.doctor.findings import Check

_NEUTRAL = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
_ALWAYS = ("repetition_penalty",)  # applied when greedy, too


def check_behaviour(target: Facts, drafter: Facts | None, context: int) -> Iterator[Check]:
    """All checks of how the models work."""
    models = [target] if drafter is None else [target, drafter]
    yield _rollback(models)
    yield _windows(models)
    yield _contexts(target, drafter, context)
    yield _settings(target)
    if drafter is not None and target.num_parameters:
        yield _sizes(target, drafter)


def _rollback(models: list[Facts]) -> Check:
    recurrent = [model for model in models if model.recurrent]
    if not recurrent:
        return Check(name="rollback", status="ok", found="every layer keeps a cache that can be cut")
    names = " and ".join(f"'{model.reference}' ({model.architecture})" for model in recurrent)
    return Check(
        name="rollback",
        status="problem",
        found=f"{names}: a recurrent state is overwritten with every token, so the tokens after a rejection cannot be "
        "taken back",
        remedy="Choose a model whose every layer has an attention cache.",
    )


def _windows(models: list[Facts]) -> Check:
    found = [f"'{m.reference}' {', '.join(map(str, sorted(m.windows)))} tokens" for m in models if m.windows]
    if not found:
        return Check(name="sliding windows", status="ok", found="none")
    return Check(
        name="sliding windows",
        status="note",
        found="; ".join(found),
        remedy="Nothing: what a rejection may need is kept until the next round.",
    )


def _contexts(target: Facts, drafter: Facts | None, context: int) -> Check:
    mine = target.context_length
    theirs = drafter.context_length if drafter is not None else None
    shown = f"target {mine or 'without limit'}" + (f", drafter {theirs or 'without limit'}" if drafter else "")
    if mine is not None and context > mine:
        return Check(
            name="context", status="problem", found=f"{shown}; {context} were asked for", remedy="Ask for fewer."
        )
    if theirs is not None and theirs < context:
        return Check(
            name="context",
            status="note",
            found=f"{shown}: from token {theirs} on nothing is drafted",
            remedy="Keep texts shorter, or take a drafter with a longer context.",
        )
    return Check(name="context", status="ok", found=shown)


def _settings(target: Facts) -> Check:
    """What the target's generation config does to every text, asked for or not."""
    applied = {n: v for n, v in target.settings.items() if n in _NEUTRAL and v != _NEUTRAL[n] and n != "temperature"}
    ignored = list(target.settings.get("ignored", ()))
    if not applied and not ignored:
        return Check(name="generation config", status="ok", found="nothing in it changes the output")
    found = [f"{name} {value}" + ("" if name in _ALWAYS else " (when sampling)") for name, value in applied.items()]
    remedy = ["It holds for baseline and drafts alike. Other engines may read it or not: give it explicitly there."]
    if ignored:
        found.append(f"not applied by draftlab: {', '.join(ignored)}")
    if "repetition_penalty" in applied:
        remedy.append("--repetition-penalty 1 turns the penalty off.")
    return Check(name="generation config", status="note", found="; ".join(found), remedy=" ".join(remedy))


def _sizes(target: Facts, drafter: Facts) -> Check:
    ratio = drafter.num_parameters / target.num_parameters
    found = f"target {_size(target)}, drafter {_size(drafter)} ({ratio:.1%} of the weights)"
    if ratio >= 1:
        return Check(
            name="sizes",
            status="note",
            found=found,
            remedy="A drafter as large as its target makes nothing faster. Are the two exchanged?",
        )
    mine, theirs = target.num_layers, drafter.num_layers
    if mine and theirs and theirs > 0.5 * mine:
        return Check(
            name="sizes",
            status="note",
            found=f"{found}; it has {theirs / mine:.0%} of the layers",
            remedy="Where starting a layer takes longer than computing it (a GPU without CUDA graphs), the drafter "
            "costs as much as its layers, not its weights. Timed passes tell.",
        )
    return Check(name="sizes", status="ok", found=found)


def _size(model: Facts) -> str:
    count = model.num_parameters
    layers = f", {model.num_layers} layers" if model.num_layers else ""
    if count < 1e6:
        return f"{count:,} parameters" + layers
    return (f"{count / 1e9:.2f} billion" if count >= 1e9 else f"{count / 1e6:.1f} million") + layers
