"""`trtllm-serve`: the YAML of its llm_args.py."""

from __future__ import annotations

import json

from draftlab.export.command_line import Words, command, file_name
from draftlab.export.plan import Assistant, Head, Lookup, Model, Plan, Written

CONFIG = "trtllm.yaml"


def write(plan: Plan) -> Written:
    """A configuration file and how to serve with it; without speculation the command alone."""
    if plan.drafter is None:
        return Written(command(words(plan)), notes=tuple(_notes(plan)))
    start = command((*words(plan), "--config", CONFIG))
    return Written("\n".join(config(plan)), "yaml", (f"kept as {CONFIG}, it is served by: {start}", *_notes(plan)))


def words(plan: Plan) -> Words:
    """The command without the file: the program and the target come first."""
    return ("trtllm-serve", file_name(plan.target.name), *(["--trust_remote_code"] if plan.trust_remote_code else []))


def config(plan: Plan) -> list[str]:
    """The lines of the file; none where nothing is speculated."""
    return ["speculative_config:", *(f"  {line}" for line in _lines(plan))] if plan.drafter else []


def _lines(plan: Plan) -> list[str]:
    match plan.drafter:
        case Lookup(max_ngram):
            return [
                "decoding_type: NGram",
                f"max_draft_len: {plan.gamma}",
                f"max_matching_ngram_size: {max_ngram}",
                "is_keep_all: true",
                "is_use_oldest: false",
                "is_public_pool: false",
            ]
        case Assistant(model):
            return ["decoding_type: Draft_Target", f"max_draft_len: {plan.gamma}", _model(model)]
        case Head(model, layers=layers):
            # There a layer's id is its own number from 0 on; here it is how many layers have been left.
            ids = [layer - 1 for layer in layers]
            captured = [f"eagle3_layers_to_capture: {ids}"] if ids and min(ids) >= 0 else []
            return ["decoding_type: Eagle3", f"max_draft_len: {plan.gamma}", _model(model), *captured]
    return []


def _model(model: Model) -> str:
    name = json.dumps(file_name(model.name), ensure_ascii=False)  # a string of JSON is one of YAML
    return f"speculative_model: {name}"


def _notes(plan: Plan) -> list[str]:
    found = ["the syntax for TensorRT-LLM is that of its documentation and sources; it was never run here"]
    if plan.dtype is not None:
        found.append(f"the run computed in {plan.dtype}; TensorRT-LLM takes the checkpoint's dtype unless told")
    if plan.has_gguf:
        found.append("TensorRT-LLM reads no GGUF files: name the folder that the file was made from")
    if plan.unequal:
        found.append("REFUSED: TensorRT-LLM needs a drafter as wide as the target, and no copy of this one can be")
    match plan.drafter:
        case Lookup(max_ngram, min_ngram):
            found.append(
                "TensorRT-LLM shares looked-up texts between requests unless is_public_pool is false; it is set to "
                f"false here; the run matched {min_ngram} to {max_ngram} tokens"
            )
        case Assistant():
            found.append("TensorRT-LLM asks that both models have one tokenizer, and does not say that it checks")
        case Head(layers=layers):
            if 0 in layers:
                found.append("REFUSED: the head reads the embedded token, and -1 is the last layer in TensorRT-LLM")
    if plan.drafter is not None and plan.rule != "rejection":
        found.append(f"the rule '{plan.rule}' is not carried over")
    return found
