"""Which student a run is for, and what it needs of the target's texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from draftlab.engines.batches import BatchNetwork
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions
from draftlab.train.gathering import gather
from draftlab.train.head import Head, layers_to_read, new_head
from draftlab.train.on_policy import OnPolicy
from draftlab.train.overlap import Forbidden
from draftlab.train.processes import Processes
from draftlab.train.settings import TrainSettings
from draftlab.train.shards import Shards
from draftlab.train.small_model import layers_to_take, new_small_model
from draftlab.train.start import Start
from draftlab.train.student import Student
from draftlab.train.tensor_files import whole
from draftlab.train.texts import held_out_sources
from draftlab.train.vocabulary import choose_tokens, count_tokens


def kept_start(drafter: str | None, folder: Path, options: LoadOptions, processes: Processes) -> Start | None:
    """The head that it begins with, if any, from the copy that the first process makes of it."""
    if drafter is None:
        return None
    start = Start.kept(drafter, options, folder) if processes.is_first else None
    processes.wait()
    return start or Start.kept(drafter, options, folder)


def layers_to_keep(target: BatchNetwork, settings: TrainSettings, start: Start | None) -> tuple[int, ...]:
    """After which layers the hidden states are kept that the student reads; what the target lacks is refused here."""
    if settings.student == "model":
        layers_to_take(target.num_layers, settings)
        return ()
    if start is not None:
        return start.layers(target)
    layers = layers_to_read(target.num_layers, settings.layers_read)
    if not all(1 <= layer <= target.num_layers for layer in layers):
        raise DraftlabError(
            f"hidden states after {', '.join(map(str, layers))} layers were asked for, and the target has "
            f"{target.num_layers}",
            "Give numbers from 1 up to that.",
        )
    return layers


def new_student(
    target: BatchNetwork,
    settings: TrainSettings,
    start: Start | None,
    shards: Shards,
    stop_tokens: Collection[int],
    forbidden: Forbidden,
    processes: Processes,
) -> tuple[Student, dict[str, Any]]:
    """One that has not learned here yet, the same for the same seed and texts; with what is to be told of its shape."""
    if settings.student == "model":
        taken = layers_to_take(target.num_layers, settings)
        model = new_small_model(target, taken, settings)
        return model, {"layers": list(taken), "layers_are_new": settings.from_layers == "fresh"}
    layers = layers_to_keep(target, settings, start)
    if start is not None:
        head = start.student(target)
        return head, {**_shape(head, layers), "start": start.facts()}
    ids = processes.agree(lambda: _target_ids(settings, shards, target, stop_tokens, forbidden))
    head = new_head(target, layers, ids, settings.seed)
    return head, _shape(head, layers)


def _shape(head: Head, layers: Sequence[int]) -> dict[str, Any]:
    """That of the head, whatever the settings asked for."""
    return {"draft_vocab": len(head.target_ids), "layers_read": list(layers)}


def new_policy(
    student: Student,
    target: BatchNetwork,
    settings: TrainSettings,
    stop_tokens: Collection[int],
    forbidden: Forbidden,
) -> OnPolicy | None:
    """What lets the student write, where that is asked for; the target stays in memory then."""
    if not settings.on_policy:
        return None
    own = BatchNetwork(student.network, target.tokenizer, "the student")
    return OnPolicy(settings.on_policy, settings.seed, own, target, stop_tokens, forbidden)


def _target_ids(
    settings: TrainSettings,
    shards: Shards,
    target: BatchNetwork,
    stop_tokens: Collection[int],
    forbidden: Forbidden,
) -> Tensor:
    """Chosen once and kept."""
    path = shards.folder / "tokens.safetensors"
    if not path.is_file():
        texts = gather(settings)
        held = held_out_sources(texts)
        learned = (text.text for text in texts if text.source not in held)
        encoded: Iterator[list[int]] = (target.tokenizer.encode(text) for text in islice(learned, 20_000))
        own = (tokens for tokens in encoded if not forbidden.occurs_in(tokens))
        counts = count_tokens(shards, own, len(target.head()))
        part = path.with_suffix(".part")
        save_file({"ids": choose_tokens(counts, settings.draft_vocab, stop_tokens)}, part)
        part.rename(path)
    with whole(path):
        return load_file(path)["ids"]
