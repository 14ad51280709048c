"""What a checkpoint's generation config sets: what draftlab applies, and the names of what it does not."""

from __future__ import annotations

from typing import Any

_DECODING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "eos_token_id")
# Settings that change the output and that draftlab does not apply, with the value at which they do nothing: named,
# never dropped in silence.
_IGNORED = {
    "no_repeat_ngram_size": 0, "bad_words_ids": [], "suppress_tokens": [], "begin_suppress_tokens": [],
    "sequence_bias": {}, "typical_p": 1.0, "top_h": None, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "min_length": 0,
    "min_new_tokens": 0, "forced_bos_token_id": None, "forced_eos_token_id": None, "guidance_scale": 1.0,
    "exponential_decay_length_penalty": None, "stop_strings": [], "num_beams": 1, "watermarking_config": None,
}  # fmt: skip


def decoding_defaults(config: Any) -> dict[str, Any]:
    """The settings of the generation config `config` that are set; `ignored` names what draftlab does not apply."""
    defaults = {name: getattr(config, name, None) for name in _DECODING}
    stop = defaults["eos_token_id"]
    defaults["eos_token_id"] = [stop] if isinstance(stop, int) else stop
    ignored = [n for n, neutral in _IGNORED.items() if getattr(config, n, None) not in (None, neutral)]
    defaults["ignored"] = ignored or None
    return {name: value for name, value in defaults.items() if value is not None}
