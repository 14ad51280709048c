"""One vLLM engine, run by the Python of vLLM's own environment: one JSON line in, one out. It imports no draftlab.

{"model": ..., "drafter": ... or null, "gamma": ..., "dtype": ..., "max_model_len": ...}     first, to load
{"prompt": [ids], "num_tokens": n}     ->     {"tokens": [ids], "seconds": s}     then, for every decode
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter
from typing import Any

GIB = 2**30


def load(asked: dict[str, Any]) -> Any:
    """The engine, offline and in this process: nothing runs between two decodes."""
    from vllm import LLM

    draft = {"method": "draft_model", "model": asked["drafter"], "num_speculative_tokens": asked["gamma"]}
    return LLM(
        model=asked["model"],
        dtype=asked["dtype"],
        max_model_len=asked["max_model_len"],
        max_num_seqs=1,
        enable_prefix_caching=False,  # a prompt that comes again is read again
        kv_cache_memory_bytes=GIB,
        generation_config="vllm",  # not the checkpoint's, which may hold a repetition penalty
        seed=0,
        speculative_config=draft if asked["drafter"] else None,
    )


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what vLLM prints goes to the log
    engine = load(json.loads(sys.stdin.readline()))
    from vllm import SamplingParams

    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        sampling = SamplingParams(temperature=0.0, max_tokens=asked["num_tokens"], ignore_eos=True, detokenize=False)
        started = perf_counter()
        (found,) = engine.generate({"prompt_token_ids": asked["prompt"]}, sampling, use_tqdm=False)
        seconds = perf_counter() - started
        tokens = list(found.outputs[0].token_ids)
        print(json.dumps({"tokens": tokens, "seconds": seconds}), file=answers, flush=True)


if __name__ == "__main__":
    main()
