"""transformers' own assisted generation over the same networks, at a fixed draft length.

No acceptance can be imposed on it, and random networks agree on almost nothing: only its time for a round, a draft of
gamma tokens and a pass of the target, can be compared.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from transformers import GenerationConfig

from .setting import Setting
from .timing import synchronize


def assisted(target: Any, drafter: Any, setting: Setting) -> dict[str, Any]:
    """A round's time, and what it accepted; the prompt is part of the first round."""
    passes: list[None] = []
    own = drafter.generation_config, drafter.config.vocab_size
    drafter.generation_config = GenerationConfig(
        num_assistant_tokens=setting.gamma,
        num_assistant_tokens_schedule="constant",
        assistant_confidence_threshold=0.0,
    )
    # Other widths are taken for other tokenizers and refused without them; here they are padding, which never wins.
    drafter.config.vocab_size = target.config.vocab_size
    hook = target.register_forward_hook(lambda *_: passes.append(None))
    try:
        _generate(target, drafter, setting)
        found = []
        for _ in range(setting.repeats):
            passes.clear()
            taken, tokens = _generate(target, drafter, setting)
            found.append((taken, len(passes), tokens))
    finally:
        hook.remove()
        drafter.generation_config, drafter.config.vocab_size = own
    taken, rounds, tokens = sorted(found)[len(found) // 2]
    return {
        "round_ms": 1e3 * taken / rounds,
        "rounds": rounds,
        "accepted_per_round": (tokens - rounds) / rounds,
        "speculative_tokens_per_s": tokens / taken,
    }


def _generate(target: Any, drafter: Any, setting: Setting) -> tuple[float, int]:
    """Seconds and new tokens."""
    vocab_size = min(network.get_output_embeddings().out_features for network in (target, drafter))
    ids = torch.tensor([setting.prompt(vocab_size)], device=setting.device)
    config = GenerationConfig(max_new_tokens=setting.new_tokens, do_sample=False, pad_token_id=0)
    synchronize(setting.device)
    start = perf_counter()
    out = target.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config, assistant_model=drafter)
    synchronize(setting.device)
    return perf_counter() - start, out.shape[1] - ids.shape[1]
