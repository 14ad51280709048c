"""`python -m sglang.launch_server`: arg_groups/fields/spec.py and speculative_hook.py."""

from __future__ import annotations

from draftlab.export.command_line import Words, command, file_name, flags
from draftlab.export.plan import Assistant, Head, Lookup, Plan, Written

RUNNING = 48  # what SGLang itself sets with speculation; written out so that it can be given to plain serving, too


def write(plan: Plan) -> Written:
    """The server's command. A draft of gamma tokens is gamma steps, and a tree of gamma + 1 tokens with its root."""
    return Written(command(*words(plan)), notes=tuple(_notes(plan)))


def words(plan: Plan) -> list[Words]:
    """Its words; the first group is the program."""
    found: list[Words] = [
        ("python", "-m", "sglang.launch_server"),
        *flags([("--model-path", file_name(plan.target.name)), ("--dtype", plan.dtype)]),
    ]
    if plan.trust_remote_code:
        found.append(("--trust-remote-code",))
    found.append(("--enable-metrics",))
    match plan.drafter:
        case Lookup():
            found += flags([
                ("--max-running-requests", RUNNING), ("--speculative-algorithm", "NGRAM"),
                ("--speculative-num-draft-tokens", plan.gamma + 1), ("--speculative-ngram-max-bfs-breadth", 1),
            ])  # fmt: skip
        case Assistant(model) | Head(model):
            algorithm = "STANDALONE" if isinstance(plan.drafter, Assistant) else "EAGLE3"
            found += flags([
                ("--max-running-requests", RUNNING), ("--speculative-algorithm", algorithm),
                ("--speculative-draft-model-path", file_name(model.name)),
                ("--speculative-num-steps", plan.gamma), ("--speculative-eagle-topk", 1),
                ("--speculative-num-draft-tokens", plan.gamma + 1),
            ])  # fmt: skip
    return found


def _notes(plan: Plan) -> list[str]:
    found = [
        "SGLang takes what a request leaves open from the checkpoint's generation_config: requests must set it all"
    ]
    if plan.has_gguf:
        found.append("SGLang reads GGUF files with limits of its own: name the folder that the file was made from")
    if plan.drafter is None:
        return found
    found.append(
        "SGLang takes no mixed chunks while it speculates: leave --enable-mixed-chunk out of plain serving, too"
    )
    if plan.unequal:
        found.append("REFUSED: STANDALONE needs a drafter as wide as the target, and no copy of this one can be")
    match plan.drafter:
        case Lookup(max_ngram, min_ngram):
            found.append(
                f"SGLang looks up in a tree that all requests share; how long its matches are is its own affair "
                f"({min_ngram} to {max_ngram} tokens in the run)"
            )
        case Assistant() if plan.samples:
            found.append("SGLang refuses rejection sampling for STANDALONE: sampled acceptance is not that of the run")
        case Head() if plan.samples:
            found.append(
                "SGLang cannot sample drafts of a reduced vocabulary: sampled acceptance is not that of the run"
            )
    if plan.rule != "rejection":
        found.append(f"the rule '{plan.rule}' is not carried over")
    return found
