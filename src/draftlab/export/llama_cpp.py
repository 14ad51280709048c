"""`llama-server`: common/arg.cpp and common/speculative.cpp."""

from __future__ import annotations

import shlex

from draftlab.errors import UnsupportedError
from draftlab.export.command_line import Words, command, file_name, flags
from draftlab.export.plan import Assistant, Head, Lookup, Plan, Written

_ALL_LAYERS = "99"
_OUTTYPES = {None: "auto", "float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def write(plan: Plan) -> Written:
    """The server's command; models have to be GGUF files."""
    return Written(command(*words(plan)), notes=tuple(_notes(plan)))


def words(plan: Plan) -> list[Words]:
    """Its words; the first group is the program and the target."""
    if isinstance(plan.drafter, Head):
        raise UnsupportedError(
            "llama.cpp takes an EAGLE-3 head as a GGUF file alone (--spec-type draft-eagle3), and it is not known here "
            "that this one can be made into it",
            "Take the head to vllm, or name another drafter.",
        )
    target, drafter = plan.gguf_files
    found: list[Words] = [("llama-server", "-m", file_name(target), "-ngl", _ALL_LAYERS)]
    match plan.drafter:
        case Lookup(max_ngram):
            found += flags([
                ("--spec-type", "ngram-simple"), ("--spec-ngram-simple-size-n", min(max_ngram, plan.gamma)),
                ("--spec-ngram-simple-size-m", plan.gamma),
            ])  # fmt: skip
        case Assistant():
            found.append(("-md", file_name(drafter), "--spec-draft-ngl", _ALL_LAYERS))
            found += flags([
                ("--spec-type", "draft-simple"), ("--spec-draft-n-max", plan.gamma), ("--spec-draft-n-min", 0),
                ("--spec-draft-p-min", plan.drafter.stop_confidence),
                ("--spec-draft-sampling", "probabilistic" if plan.samples else None),
            ])  # fmt: skip
    found.append(("--metrics",))
    return found


def _notes(plan: Plan) -> list[str]:
    found = _conversions(plan)
    if plan.drafter is None:
        return found
    found.append(
        "llama-server serves without speculation where that cannot be started: timings.draft_n of a reply shows that "
        "it drafts. Older builds have --draft-max in place of --spec-type and --spec-draft-n-max"
    )
    match plan.drafter:
        case Lookup(max_ngram, min_ngram):
            exactly = min(max_ngram, plan.gamma)
            if (max_ngram, min_ngram) != (exactly, exactly):
                found.append(f"llama.cpp matches exactly {exactly} tokens, the run {min_ngram} to {max_ngram}")
        case Assistant(stop_confidence=confidence):
            if plan.samples:
                found.append(
                    "older builds do not know --spec-draft-sampling: leave it out there, drafts are then greedy"
                )
            if confidence:
                found.append("below p-min llama.cpp leaves the token out, draftlab keeps it as the last of the draft")
    if plan.rule != "rejection":
        found.append(f"llama.cpp has no rule '{plan.rule}'")
    return found


def _conversions(plan: Plan) -> list[str]:
    """How each model that is no GGUF file becomes one; a note that begins with `$` is a command."""
    models = [plan.target, *([plan.drafter.model] if isinstance(plan.drafter, Assistant) else [])]
    missing = {file: model for file, model in zip(plan.gguf_files, models, strict=False) if not model.is_gguf}
    found = []
    for file, model in missing.items():
        folder = f"./{file.removesuffix('.gguf')}" if model.on_hub else file_name(model.name)
        first = f"; download it first, for example to {folder}" if model.on_hub else ""
        found.append(f"{file} is made of {model.name}{first}. A file of fewer bits than were measured is another model")
        words = ("convert_hf_to_gguf.py", folder, "--outfile", file_name(file), "--outtype", _OUTTYPES[plan.dtype])
        found.append(f"$ {shlex.join(words)}")
    return found
