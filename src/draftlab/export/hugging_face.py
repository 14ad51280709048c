"""A script for transformers: assisted generation, prompt lookup, or plain `generate`."""

from __future__ import annotations

from draftlab.errors import UnsupportedError
from draftlab.export.plan import Assistant, Head, Lookup, Model, Plan, Written, base_name


def write(plan: Plan) -> Written:
    """A file with a function `generate`, which is also a command that continues the text that it is given."""
    if isinstance(plan.drafter, Head):
        raise UnsupportedError(
            "transformers has no drafter that reads hidden states, as an EAGLE-3 head does",
            "Take the head to vllm, or name another arm with --arm.",
        )
    lines = [
        "import sys",
        "",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f"tokenizer = AutoTokenizer.from_pretrained({_where(plan.target, plan)})",
        f"target = {_load(plan.target, plan)}",
        *_drafter(plan),
        "",
        "",
        "def generate(text, max_new_tokens=256):",
        '    inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False).to(target.device)',
        "    tokens = target.generate(",
        "        **inputs,",
        "        max_new_tokens=max_new_tokens,",
        *(f"        {argument}," for argument in (*_sampling(plan), *_speculation(plan))),
        "    )",
        '    return tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)',
        "",
        "",
        'if __name__ == "__main__":',
        "    print(generate(sys.argv[1]))",
    ]
    return Written("\n".join(lines), "python", tuple(_notes(plan)))


def _where(model: Model, plan: Plan) -> str:
    folder, _, file = model.name.rpartition("/") if model.is_gguf else (model.name, "", "")
    words = [repr(folder or "."), *([f"gguf_file={file!r}"] if file else [])]
    if plan.trust_remote_code:
        words.append(f"trust_remote_code={plan.trust_remote_code}")
    return ", ".join(words)


def _load(model: Model, plan: Plan) -> str:
    dtype = repr(plan.dtype or "auto")
    return f'AutoModelForCausalLM.from_pretrained({_where(model, plan)}, dtype={dtype}, device_map="auto")'


def _drafter(plan: Plan) -> list[str]:
    if not isinstance(plan.drafter, Assistant):
        return []
    return [
        f"drafter = {_load(plan.drafter.model, plan)}",
        f"drafter.generation_config.num_assistant_tokens = {plan.gamma}",
        'drafter.generation_config.num_assistant_tokens_schedule = "constant"',
        f"drafter.generation_config.assistant_confidence_threshold = {plan.drafter.stop_confidence!r}",
    ]


def _sampling(plan: Plan) -> list[str]:
    """All of it is written out, so that the checkpoint's generation config decides nothing."""
    sampling = plan.sampling
    penalty = f"repetition_penalty={sampling.repetition_penalty!r}"
    if not plan.samples:
        return ["do_sample=False", penalty]
    least = [f"min_p={sampling.min_p!r}"] if sampling.min_p else []
    drawn = [f"temperature={sampling.temperature!r}", f"top_k={sampling.top_k}", f"top_p={sampling.top_p!r}"]
    return ["do_sample=True", *drawn, *least, penalty]


def _speculation(plan: Plan) -> list[str]:
    match plan.drafter:
        case Lookup(max_ngram):
            return [f"prompt_lookup_num_tokens={plan.gamma}", f"max_matching_ngram_size={max_ngram}"]
        case Assistant():
            tokenizers = ["tokenizer=tokenizer", "assistant_tokenizer=tokenizer"] if plan.unequal else []
            return ["assistant_model=drafter", *tokenizers]
    return []


def _notes(plan: Plan) -> list[str]:
    found = []
    match plan.drafter:
        case Lookup(_, min_ngram):
            found.append("transformers copies what followed the earliest match, draftlab what followed the latest")
            if min_ngram > 1:
                found.append(f"transformers looks up single tokens as well, the run {min_ngram} tokens or more")
        case Assistant(model) if plan.unequal:
            found.append(f"{base_name(model.name)} has another width: drafts go through text, and sampling fails")
    if plan.drafter is not None and plan.rule != "rejection":
        found.append(f"transformers has no rule '{plan.rule}'")
    return found
