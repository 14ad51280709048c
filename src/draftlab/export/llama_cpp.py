"""`llama-server`: common/arg.cpp and common/speculative.cpp."""

from __future__ import annotations

from draftlab.export.command_line import Words, command, file_name, flags
from draftlab.export.plan import Assistant, Lookup, Model, Plan, Written

_ALL_LAYERS = "99"


def write(plan: Plan) -> Written:
    """The server's command; models have to be GGUF files."""
    words: list[Words] = [("llama-server", "-m", file_name(plan.target.gguf), "-ngl", _ALL_LAYERS)]
    match plan.drafter:
        case Lookup(max_ngram):
            words += flags([
                ("--spec-type", "ngram-simple"), ("--spec-ngram-simple-size-n", min(max_ngram, plan.gamma)),
                ("--spec-ngram-simple-size-m", plan.gamma),
            ])  # fmt: skip
        case Assistant(model):
            words.append(("-md", file_name(model.gguf), "--spec-draft-ngl", _ALL_LAYERS))
            words += flags([
                ("--spec-type", "draft-simple"), ("--spec-draft-n-max", plan.gamma), ("--spec-draft-n-min", 0),
                ("--spec-draft-p-min", plan.drafter.stop_confidence),
                ("--spec-draft-sampling", "probabilistic" if plan.samples else None),
            ])  # fmt: skip
    words.append(("--metrics",))
    return Written(command(*words), notes=tuple(_notes(plan)))


def _notes(plan: Plan) -> list[str]:
    models = [plan.target, *([plan.drafter.model] if isinstance(plan.drafter, Assistant) else [])]
    found = [_conversion(model) for model in models if not model.is_gguf]
    if plan.drafter is None:
        return found
    found.append(
        "llama-server serves without speculation where that cannot be started: timings.draft_n of a reply shows that "
        "it drafts. Older builds have --draft-max in place of --spec-type and --spec-draft-n-max"
    )
    match plan.drafter:
        case Lookup(max_ngram, min_ngram) if (max_ngram, min_ngram) != (plan.gamma, plan.gamma):
            found.append(
                f"llama.cpp matches exactly {min(max_ngram, plan.gamma)} tokens, the run {min_ngram} to {max_ngram}"
            )
        case Assistant(stop_confidence=confidence) if confidence:
            found.append("below p-min llama.cpp leaves the token out, draftlab keeps it as the last of the draft")
    if plan.rule != "rejection":
        found.append(f"llama.cpp has no rule '{plan.rule}'")
    return found


def _conversion(model: Model) -> str:
    return (
        f"{model.gguf} is made of {model.name} with convert_hf_to_gguf.py --outfile {model.gguf}; a file of fewer bits "
        "than were measured is another model"
    )
