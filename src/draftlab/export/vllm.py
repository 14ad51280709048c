"""`vllm serve`: config/speculative.py of the version that `draftlab.doctor.versions` names."""

from __future__ import annotations

import json
from typing import Any

from draftlab.export.command_line import Words, command, file_name, flags
from draftlab.export.plan import Assistant, Head, Lookup, Plan, Written


def write(plan: Plan) -> Written:
    """The server's command, with speculation as one JSON word."""
    return Written(command(*words(plan)), notes=tuple(_notes(plan)))


def words(plan: Plan) -> list[Words]:
    """Its words; the first group is the program and the target."""
    found: list[Words] = [("vllm", "serve", file_name(plan.target.name)), *flags([("--dtype", plan.dtype)])]
    found.append(("--generation-config", "vllm"))  # else the checkpoint decides what requests leave open
    if plan.trust_remote_code:
        found.append(("--trust-remote-code",))
    if plan.drafter is not None:
        found.append(("--per-request-spec-decode-metrics", "summary"))
        found.append(("--speculative-config", json.dumps(_speculation(plan), separators=(",", ":"))))
    return found


def _speculation(plan: Plan) -> dict[str, Any]:
    config: dict[str, Any] = {"num_speculative_tokens": plan.gamma}
    match plan.drafter:
        case Lookup(max_ngram, min_ngram):
            config = {"method": "ngram", **config, "prompt_lookup_min": min_ngram, "prompt_lookup_max": max_ngram}
        case Assistant(model):
            config = {"method": "draft_model", "model": file_name(model.name), **config}
            if plan.samples and not plan.unequal:
                config["draft_sample_method"] = "probabilistic"
            if plan.unequal:
                config["use_heterogeneous_vocab"] = True
        case Head(model):
            config = {"method": "eagle3", "model": file_name(model.name), **config}
            if plan.samples:
                config["draft_sample_method"] = "probabilistic"
    if plan.synthetic is not None:
        config |= {"rejection_sample_method": "synthetic", "synthetic_acceptance_rates": list(plan.synthetic)}
    elif plan.rule == "block":
        config["rejection_sample_method"] = "block"
    return config


def _notes(plan: Plan) -> list[str]:
    found = []
    if plan.has_gguf:
        found.append("vLLM reads GGUF files with limits of its own: name the folder that the file was made from")
    if plan.drafter is None:
        return found
    if plan.sampling.min_p:
        found.append(f"vLLM refuses min_p while it speculates, and the run had min_p {plan.sampling.min_p:g}")
    if plan.samples:
        found.append(
            "vLLM 0.32.0's build for CPUs verifies sampled drafts at a temperature that is never set "
            "(cpu_triton_utils.py, _expand_kernel_impl): sampled texts are wrong there"
        )
    match plan.drafter:
        case Lookup():
            found.append("vLLM copies what followed the earliest match, draftlab what followed the latest")
            found.append(
                "vLLM turns asynchronous scheduling off for ngram: compare with a server with --no-async-scheduling"
            )
        case Assistant():
            found.append("with tensor parallelism the drafter needs the target's, as draft_tensor_parallel_size")
            if plan.unequal and plan.samples:
                found.append("drafts are greedy while use_heterogeneous_vocab is on, and the run sampled them")
    if plan.synthetic is not None:
        found.append(
            "synthetic acceptance plays back the measured rates: times are real, the text is worthless. Take the two "
            "rejection keys out to serve people"
        )
    elif plan.rule != "block" and plan.rule != "rejection":
        found.append(f"vLLM has no rule '{plan.rule}': it verifies by rejection")
    return found
