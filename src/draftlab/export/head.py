"""What the files of an EAGLE-3 head say: whether an engine needs a completed copy, and which layers it has to show."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from draftlab.doctor.facts import read_facts
from draftlab.doctor.versions import VERSIONS
from draftlab.drafters.eagle.checkpoint import HEAD, EagleCheckpoint, read_checkpoint
from draftlab.engines.tensors import load_tensors
from draftlab.errors import DraftlabError
from draftlab.export.command_line import file_name
from draftlab.export.pair import Looked, loading_flags
from draftlab.export.plan import base_name
from draftlab.models import LoadOptions, resolve

_VLLM_ALONE = {"norm_before_residual": False, "logit_scale": 1.0}
"""What a head can set and no other engine reads, with its usual value: set, it would be another network there."""
_IDS = "eagle_aux_hidden_state_layer_ids"


@dataclass(frozen=True)
class LookedAtHead(Looked):
    """The same of a head."""

    layers: tuple[int, ...] = ()
    """After how many of the target's layers it reads hidden states, from low to high."""


def look_at_head(target: str, head: str, engine: str, options: LoadOptions) -> LookedAtHead:
    """Read the head's file and the target's configuration. What cannot be read is a note, not an error."""
    if target.partition(":")[0] == "toy":
        return LookedAtHead(notes=("toy models are draftlab's own: put the names of real ones in their place",))
    try:
        checkpoint = read_checkpoint(load_tensors(resolve(head), options))
        num_layers = read_facts(resolve(target), options).num_layers or 0
    except DraftlabError as error:
        return LookedAtHead(notes=(f"the files of target and head were not looked at: {error}",))
    layers = tuple(checkpoint.layers_of(num_layers)) if num_layers else ()
    notes = what_engine_does(checkpoint, num_layers, engine)
    if not lacks_rows(checkpoint, engine):
        return LookedAtHead(layers=layers, notes=notes)
    copy = f"./{base_name(head)}-complete"
    words = ("draftlab", "complete-head", file_name(target), file_name(head), copy, *loading_flags(options))
    told = (
        "the head's file has no lm_head, whose rows draftlab takes from the target: the command before writes a copy "
        "that has them, and drafts the same"
    )
    return LookedAtHead(copy, (shlex.join(words),), notes=(told, *notes), layers=layers)


def lacks_rows(checkpoint: EagleCheckpoint, engine: str) -> bool:
    """Whether the engine would not find the rows of the head: without `d2t` they are the target's whole head.

    SGLang takes those only where the configuration has no `draft_vocab_size`.
    """
    reduced = checkpoint.draft_vocab_size != checkpoint.layer.vocab_size
    return HEAD not in checkpoint.tensors and (reduced or engine == "SGLang")


def what_engine_does(checkpoint: EagleCheckpoint, num_layers: int, engine: str) -> tuple[str, ...]:
    """What the engine refuses or changes of a head whose target has so many layers; 0 where that is not known."""
    if engine == "vLLM":
        return ()
    return (
        *_unread(checkpoint, engine),
        *(_sglang(checkpoint, num_layers) if engine == "SGLang" and num_layers else ()),
    )


def _unread(checkpoint: EagleCheckpoint, engine: str) -> list[str]:
    set_here = [name for name, usual in _VLLM_ALONE.items() if (checkpoint.options.get(name) or usual) != usual]
    return [f"REFUSED: the head sets {name}, which {engine} {VERSIONS[engine]} does not read" for name in set_here]


def _sglang(checkpoint: EagleCheckpoint, num_layers: int) -> tuple[str, ...]:
    """SGLang looks for the ids in `eagle_config` alone, counts from the layer and not from what it leaves, and hands
    out what enters a layer, so never what leaves the last (spec_aux_hidden_state.py, llama.py, qwen2.py, qwen3.py).
    """
    version, layers = VERSIONS["SGLang"], checkpoint.layers_of(num_layers)
    if num_layers in layers:
        return (
            f"REFUSED: the head reads what leaves the last of {num_layers} layers: SGLang {version} shows none of it",
        )
    nested = (checkpoint.options.get("eagle_config") or {}).get(_IDS)
    shown = [i + 1 for i in nested] if nested else [2, num_layers // 2, num_layers - 3]
    if layers == sorted(shown):
        return ()
    wanted = [layer - 1 for layer in layers]
    return (
        f"limited: SGLang {version} would show the head what leaves {_listed(sorted(shown))} layers, and it reads "
        f"{_listed(layers)}: write eagle_config = {{{_IDS}: {wanted}}} into its config.json, beside the ids at the top",
    )


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
