"""A checkpoint becomes a network beside its target; what does not fit that target is refused by name."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from draftlab.drafters.eagle.checkpoint import HEAD, EagleCheckpoint
from draftlab.drafters.eagle.network import EagleNetwork
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.features import ShowsFeatures
from draftlab.types import LanguageModel

_EMBEDDING, _MAP = "embed_tokens.weight", "d2t"
_OTHER_TARGET = "Use the drafter that was made for this target."


class LendsRows(Protocol):
    """A target as far as a head borrows from it."""

    def embedding(self) -> Tensor:
        """[vocab, width]"""
        ...

    def head(self) -> Tensor:
        """[vocab, width]"""
        ...


def require_features(target: LanguageModel) -> ShowsFeatures:
    """`target` as a model whose hidden states can be read; raise where its engine does not show them."""
    if not isinstance(target, ShowsFeatures):
        raise UnsupportedError(
            f"drafter 'eagle' reads hidden states, and the engine of '{target.name}' does not show them",
            "Use a target that transformers runs, or drafter model or ngram.",
        )
    return target


def require_fit(checkpoint: EagleCheckpoint, target: LanguageModel, source: ShowsFeatures) -> None:
    """Raise unless the head was made for a target of this vocabulary, width and depth."""
    require_shape(checkpoint, target.name, target.vocab_size, source.hidden_size, source.num_layers)


def require_shape(checkpoint: EagleCheckpoint, target: str, vocab_size: int, width: int, num_layers: int) -> None:
    """The same of a `target` that is known by its numbers alone."""
    name = f"eagle drafter '{checkpoint.name}'"
    if checkpoint.layer.vocab_size != vocab_size:
        raise DraftlabError(
            f"{name} was made for a vocabulary of {checkpoint.layer.vocab_size}, and '{target}' has {vocab_size}",
            _OTHER_TARGET,
        )
    if checkpoint.target_hidden_size != width:
        raise DraftlabError(
            f"{name} reads hidden states of {checkpoint.target_hidden_size} numbers, and those of '{target}' have "
            f"{width}",
            _OTHER_TARGET,
        )
    layers = checkpoint.layers_of(num_layers)
    if len(layers) != checkpoint.num_read or layers[0] < 0 or layers[-1] > num_layers:
        raise DraftlabError(
            f"{name} fuses {checkpoint.num_read} hidden states, and would read those after "
            f"{', '.join(map(str, layers))} of the {num_layers} layers of '{target}'",
            "Its config.json can name them: eagle_aux_hidden_state_layer_ids.",
        )
    _require_map(checkpoint, name, vocab_size)


def load_network(checkpoint: EagleCheckpoint, source: LendsRows, dtype: torch.dtype | None = None) -> EagleNetwork:
    """The network on the device of the target's head and in its dtype, unless another is given.

    What the file lacks is the target's own.
    """
    shared = source.embedding()
    dtype = dtype or shared.dtype
    head = source.head() if HEAD not in checkpoint.tensors else None
    tensors = {name: tensor for name, tensor in checkpoint.tensors.items() if name not in (_MAP, _EMBEDDING)}
    if head is not None:
        tensors[HEAD] = head[checkpoint.target_ids().to(head.device)]
    with torch.device("meta"):
        network = EagleNetwork(checkpoint)
    _require_tensors(checkpoint, network, tensors)
    device = shared.device if head is None else head.device
    network.load_state_dict({name: tensor.to(device, dtype) for name, tensor in tensors.items()}, assign=True)
    network.rotary = type(network.rotary)(checkpoint.layer).to(device)  # computed, so no file holds it
    network.embedding = checkpoint.tensors.get(_EMBEDDING, shared).to(shared)
    expected = (checkpoint.layer.vocab_size, checkpoint.layer.hidden_size)
    if tuple(network.embedding.shape) != expected:
        raise DraftlabError(
            f"the embedding of eagle drafter '{checkpoint.name}' should have the shape {expected}, and has "
            f"{tuple(network.embedding.shape)}",
            "A head that is narrower than its target brings its own embed_tokens.weight.",
        )
    return network.eval().requires_grad_(False)


def _require_map(checkpoint: EagleCheckpoint, name: str, vocab_size: int) -> None:
    """Raise unless every token of the head is one of the target's, and no two are the same."""
    size = checkpoint.draft_vocab_size
    offsets = checkpoint.tensors.get(_MAP)
    if offsets is None and size != vocab_size:
        raise DraftlabError(
            f"{name} has {size} of {vocab_size} tokens, and no d2t that says which", "Is the download complete?"
        )
    if offsets is not None and (tuple(offsets.shape) != (size,) or offsets.is_floating_point()):
        raise DraftlabError(f"the d2t of {name} should have {size} integers", "Is the download complete?")
    ids = checkpoint.target_ids()
    if len(set(ids.tolist())) < size or int(ids.min()) < 0 or int(ids.max()) >= vocab_size:
        raise DraftlabError(
            f"the d2t of {name} does not name {size} different tokens of the {vocab_size} of its target", _OTHER_TARGET
        )


def _require_tensors(checkpoint: EagleCheckpoint, network: EagleNetwork, tensors: dict[str, Tensor]) -> None:
    """Raise unless the tensors are those of the network, in name and shape."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    name = f"eagle drafter '{checkpoint.name}'"
    for missing in sorted(expected.keys() - tensors.keys()):
        raise DraftlabError(f"{name} lacks the tensor {missing}", "Is the download complete?")
    for unknown in sorted(tensors.keys() - expected.keys()):
        raise UnsupportedError(
            f"{name} has the tensor {unknown}, which an EAGLE-3 head of Llama's build does not have",
            "It would be run without it, and draft worse than it can.",
        )
    for each, shape in expected.items():
        if tuple(tensors[each].shape) != shape:
            raise DraftlabError(
                f"the tensor {each} of {name} has the shape {tuple(tensors[each].shape)}, and not {shape}",
                "It does not agree with its config.json, or was made for another target.",
            )
