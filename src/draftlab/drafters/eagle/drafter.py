"""Autoregression on the target's hidden states (EAGLE-3: Li et al. 2025, arXiv 2503.01840), as a chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from draftlab.distributions import join
from draftlab.drafters.eagle.checkpoint import read_checkpoint
from draftlab.drafters.eagle.loading import load_network, require_features, require_fit
from draftlab.drafters.eagle.memory import Memory
from draftlab.drafters.eagle.network import EagleNetwork
from draftlab.drafters.stopping_early import NEVER, StopEarly, probability_of
from draftlab.errors import ContractError, DraftlabError
from draftlab.features import FeatureTap, ShowsFeatures
from draftlab.sample_text import SAMPLE
from draftlab.sampling import over_vocabulary
from draftlab.types import Compression, Draft, DrafterContext, Rng, Round, Row, Warp

_MOST_WAITING = 256
"""Hidden states that rounds without a draft may leave unread; they are wider than what the head remembers of them."""
_SAMPLED = 80  # tokens


class EagleDrafter:
    """Reads the hidden states of what was accepted, and goes on from there on hidden states of its own."""

    def __init__(
        self,
        network: EagleNetwork,
        source: ShowsFeatures,
        layers: Sequence[int],
        target_ids: Tensor,
        warp: Warp,
        stop_early: StopEarly = NEVER,
    ) -> None:
        self.network = network
        self.source = source
        self.layers = layers
        self.warp = warp
        self.stop_early = stop_early
        self._vocab_size = len(network.embedding)
        self._target_ids = target_ids.to(network.norm.weight.device)
        self._covers_all = torch.equal(target_ids, torch.arange(self._vocab_size))
        self._memory = Memory()
        self._num_read = 0  # places of the text whose hidden states were the target's
        self._out: Tensor | None = None  # [1, width] after the last of them
        self._tap: FeatureTap | None = None

    @classmethod
    def build(
        cls,
        context: DrafterContext,
        *,
        argument: str = "",
        compress: Compression = "auto",
        stop_product: float = 0.0,
        stop_confidence: float = 0.0,
    ) -> EagleDrafter:
        if not argument:
            raise DraftlabError("drafter 'eagle' needs a head", "Write eagle:FOLDER or eagle:OWNER/NAME.")
        stop_early = StopEarly(stop_product, stop_confidence)  # refused before anything is loaded
        target = context.target.model
        source = require_features(target)
        checkpoint = read_checkpoint(context.load_tensors(argument))
        require_fit(checkpoint, target, source)
        network = load_network(checkpoint, source)
        layers = checkpoint.layers_of(source.num_layers)
        context.arrange(network, _pass_over(network, *_sample(context, source, layers)), compress, argument)
        return cls(network, source, layers, checkpoint.target_ids(), context.warp_for(argument), stop_early)

    def begin(self, prompt: Sequence[int]) -> None:
        self._tap = self.source.features(self.layers)
        self._memory.shorten(0)
        self._num_read = 0
        self._out = None

    @torch.inference_mode()
    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        if self._tap is None:
            raise ContractError("drafter 'eagle' was asked for a draft before a text had begun")
        if limit <= 0 and self._tap.num_waiting < _MOST_WAITING:
            return Draft(())
        out = self._read(tokens, self._tap)
        return Draft(()) if out is None or limit <= 0 else self._draft(tokens, limit, rng, out)

    def observe(self, outcome: Round) -> None:
        pass  # what was drafted is forgotten when the target's own hidden states are read

    def _read(self, tokens: Sequence[int], tap: FeatureTap) -> Tensor | None:
        """Pass over what was accepted since the last draft; the network's output at the last place, if there is one."""
        self._memory.shorten(self._num_read)
        start, num = self._num_read, tap.num_waiting
        if start + num != len(tokens) - 1:
            raise ContractError(
                f"drafter 'eagle' has hidden states of {start + num} tokens, and needs those of {len(tokens) - 1}: it "
                "drafts only while its own target decodes",
                "Compare it with draftlab bench, which runs every drafter beside its target.",
            )
        if num:
            features = tap.take().to(self.network.norm.weight)
            hidden = self.network.fuse(features)
            self._out = self.network.advance(tokens[start + 1 :], hidden, self._memory)[-1:]
            self._num_read += num
        return self._out

    def _draft(self, tokens: Sequence[int], limit: int, rng: Rng, out: Tensor) -> Draft:
        text = list(tokens)
        rows: list[Row] = []
        scores: list[Tensor] = []
        product = 1.0
        for i in range(limit):
            if i:
                out = self.network.advance(text[-1:], self.network.following(out), self._memory)
            logits = self._over_target(self.network.logits(out))
            row = self.warp(logits, text, ())[0]
            text.append(rng.draw(row, "draft", i))
            rows.append(row)
            scores.append(logits[0])
            if self.stop_early:
                probability = probability_of(text[-1], logits[0])
                product *= probability
                if self.stop_early.ends(probability, product):
                    break
        return Draft(text[len(tokens) :], join(rows), scores)

    def _over_target(self, logits: Tensor) -> Tensor:
        """Logits [1, vocab] over the target's tokens; those that the head does not have cannot be drawn."""
        if self._covers_all:
            return logits
        return over_vocabulary(logits, self._target_ids, self._vocab_size)


def _sample(context: DrafterContext, source: ShowsFeatures, layers: Sequence[int]) -> tuple[list[int], Tensor]:
    """Tokens of a real text, and what the target shows at each [tokens, read * width]."""
    model = context.target.model
    limit = min(_SAMPLED, model.context_length or _SAMPLED)
    tokens = [token for token in context.target.tokenizer.encode(SAMPLE) if token < model.vocab_size][:limit] or [0]
    model.reset(len(tokens))
    tap = source.features(layers)
    model.forward(tokens, 1)
    features = tap.take()
    model.reset()
    return tokens, features


def _pass_over(network: EagleNetwork, tokens: Sequence[int], features: Tensor) -> Callable[[int], Tensor]:
    """A pass of so many rows over every linear layer, for whoever arranges them.

    They are the target's own hidden states: the forms of weights are chosen by what goes through them.
    """
    known = features.to(network.norm.weight)

    def run(num_rows: int) -> Tensor:
        at = [place % len(known) for place in range(num_rows)]
        following = [tokens[(place + 1) % len(tokens)] for place in at]
        return network.logits(network.advance(following, network.fuse(known[at]), Memory()))

    return run
