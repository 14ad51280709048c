"""Many texts at once: a network goes on from their beginnings and shows its hidden states on the way."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from draftlab.engines.batch_texts import Batch, Texts
from draftlab.engines.growing_cache import growing_cache
from draftlab.engines.hidden_states import decoder_layers
from draftlab.engines.last_norm import final_scale, try_bare_head
from draftlab.engines.loading import open_checkpoint
from draftlab.engines.network import input_device
from draftlab.engines.placement import free_memory
from draftlab.engines.shallow import shallow_copy
from draftlab.engines.tokenizer import HuggingFaceTokenizer
from draftlab.errors import UnsupportedError
from draftlab.models import LoadOptions, ModelSource

_MEMORY_SHARE = 0.2  # of what is free, for the cache of a batch
_MOST_TEXTS = 192
_ROUNDING = 0.1  # of the size of a hidden state; with a wrong mask or place it is off by more


class BatchNetwork:
    """A causal language model that is given many texts in one pass."""

    def __init__(self, network: Any, tokenizer: HuggingFaceTokenizer, name: str) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self._network = network
        self._layers = decoder_layers(network)
        self._device = input_device(network)

    @property
    def config(self) -> Any:
        """Of the text part."""
        return self._network.config.get_text_config(decoder=True)

    @property
    def generation_config(self) -> Any:
        """What the checkpoint says of decoding."""
        return self._network.generation_config

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def embedding(self) -> Tensor:
        """[vocab, width]"""
        return self._whole(self._network.get_input_embeddings().weight, "embedding")

    def head(self) -> Tensor:
        """[vocab, width]"""
        return self._whole(self._network.get_output_embeddings().weight, "head")

    def final_scale(self) -> Tensor | None:
        """[width]: by what the norm before the head multiplies, where the network keeps one that can be found."""
        return final_scale(self._network)

    def shallow(self, layers: Sequence[int], *, fresh: bool) -> Any:
        """A network in float32 with some of the layers, or as many new ones."""
        return shallow_copy(self._network, layers, fresh=fresh)

    def free_memory(self) -> int:
        """Bytes where the network is; of several devices the fullest decides."""
        devices = {parameter.device for parameter in self._network.parameters() if not parameter.is_meta}
        return min(map(free_memory, {self._device, *devices}))

    def most_texts(self, length: int, free: int) -> int:
        """How many texts of `length` tokens fit into a fair part of `free` bytes."""
        config = self.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * self.num_layers * heads * dim + 6 * config.hidden_size
        num_bytes = per_token * length * self._network.dtype.itemsize
        return max(1, min(_MOST_TEXTS, int(_MEMORY_SHARE * free / num_bytes)))

    def mixes_lengths(self) -> bool:
        """Whether a text comes out alike beside longer ones; tried, as families differ in what they do with a mask."""
        if "position_ids" not in inspect.signature(self._network.base_model.forward).parameters:
            return False
        short, long = ([7 * i % self.config.vocab_size for i in range(1, num)] for num in (7, 20))
        (alone,), (beside, _) = (self.write(some, 0, (1,), 0.0).final for some in ([short], [short, long]))
        off = (beside[: len(alone)] - alone).float().norm() / alone.float().norm()
        return bool(off < _ROUNDING)  # not so where it is not a number

    @torch.inference_mode()
    def write(
        self,
        prompts: Sequence[Sequence[int]],
        num: int,
        layers: Sequence[int],
        temperature: float,
        stop_tokens: Collection[int] = (),
        seed: int = 0,
        drawn: int | None = None,
    ) -> Batch:
        """Read `prompts` and let each go on for `num` tokens or to its stop; greedy at temperature 0.

        After `drawn` tokens it goes on greedily.
        """
        texts = Texts(prompts, num, stop_tokens)
        rng = torch.Generator(self._device).manual_seed(seed)
        cache = growing_cache(self._network.config, texts.tokens.shape[1])
        caught = _Catcher(self._layers, layers)
        new = texts.beginnings()
        try:
            for done in range(max(1, num)):
                out = self._network.base_model(
                    input_ids=new.to(self._device),
                    past_key_values=cache,
                    use_cache=True,
                    **texts.where(done, self._device),
                )
                final = out.last_hidden_state
                host = final.cpu()
                texts.keep(caught.take() if layers else host[..., :0], host)
                if num:
                    heat = temperature if drawn is None or done < drawn else 0.0
                    logits = self._network.get_output_embeddings()(final[:, -1])
                    chosen = _next(logits.to(self._device), heat, rng).cpu()
                    texts.add(chosen[:, 0])
                    if texts.all_ended:
                        break
                    if (kept := texts.drop_ended()) is not None:
                        cache.batch_select_indices(kept)  # on the host: layers may be on several devices
                        chosen = chosen[kept]
                    new = chosen
        finally:
            caught.close()
        return texts.batch()

    def _whole(self, weight: Tensor, what: str) -> Tensor:
        if weight.is_meta:
            raise UnsupportedError(
                f"the {what} of '{self.name}' does not fit its GPUs, and a drafter that learns needs it there",
                "Use --dtype bfloat16, a smaller target, or larger GPUs.",
            )
        return weight.detach()


class _Catcher:
    """What leaves some layers in a pass; 0 is what enters the first."""

    def __init__(self, modules: Sequence[torch.nn.Module], layers: Collection[int]) -> None:
        self._layers = list(layers)
        self._caught: dict[int, Tensor] = {}
        self._hooks = [self._hook(modules, layer) for layer in layers]

    def take(self) -> Tensor:
        return torch.cat([self._caught.pop(layer).cpu() for layer in self._layers], dim=-1)

    def close(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _hook(self, modules: Sequence[torch.nn.Module], layer: int) -> Any:
        def after(_: torch.nn.Module, args: tuple[Any, ...], out: Any) -> None:
            self._caught[layer] = out[0] if isinstance(out, tuple) else out

        return modules[layer - 1].register_forward_hook(after)


def _next(logits: Tensor, temperature: float, rng: torch.Generator) -> Tensor:
    """[texts, 1]"""
    if temperature == 0.0:
        return logits.max(-1, keepdim=True).indices  # as argmax, which takes four times as long on a CPU
    mass = torch.softmax(logits.float() / temperature, dim=-1)
    if mass.device.type != "cpu":
        return torch.multinomial(mass, 1, generator=rng)
    upto = mass.cumsum_(-1)  # a number for every token of the vocabulary, as multinomial draws them, takes longer
    drawn = torch.searchsorted(upto, upto[:, -1:] * torch.rand(len(mass), 1, generator=rng), right=True)
    return drawn.clamp_max(upto.shape[1] - 1)  # the product may be rounded up to the whole


def open_batches(source: ModelSource, options: LoadOptions) -> BatchNetwork:
    """Load `source` as it is: a pass over many rows is fast without another form of its weights."""
    if source.engine != "transformers":
        raise UnsupportedError(
            f"'{source.reference}' shows no hidden states to learn from", "Give a model that transformers runs."
        )
    checkpoint = open_checkpoint(source, options)
    tokenizer = checkpoint.load_tokenizer()
    network = checkpoint.load_network()
    opened = BatchNetwork(network, tokenizer, source.reference)
    for rows in (opened.embedding, opened.head):  # refused now, and not when the texts are written
        rows()
    try_bare_head(network, source.reference, input_device(network))
    return opened
