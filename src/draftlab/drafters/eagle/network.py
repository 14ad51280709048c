"""The network of EAGLE-3 (Li et al. 2025, arXiv 2503.01840): one decoder layer on fused hidden states of the target.

Modules are called as the checkpoints name their tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm, LlamaRotaryEmbedding

from draftlab.drafters.eagle.checkpoint import EagleCheckpoint
from draftlab.drafters.eagle.memory import Memory


class EagleLayer(nn.Module):
    """A Llama layer whose attention reads the token's embedding beside the hidden state, so at twice the width."""

    def __init__(self, config: LlamaConfig, norm_before_residual: bool) -> None:
        super().__init__()
        self.norm_before_residual = norm_before_residual
        self.self_attn = LlamaAttention(config, layer_idx=0)
        for name in ("q_proj", "k_proj", "v_proj"):
            usual = getattr(self.self_attn, name)
            wide = nn.Linear(2 * config.hidden_size, usual.out_features, bias=usual.bias is not None)
            setattr(self.self_attn, name, wide)
        self.mlp = LlamaMLP(config)
        self.input_layernorm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.hidden_norm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = LlamaRMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self, embedded: Tensor, hidden: Tensor, angles: tuple[Tensor, Tensor], mask: Tensor | None, memory: Memory
    ) -> Tensor:
        """[1, tokens, width] of both -> [1, tokens, width]."""
        normed = self.hidden_norm(hidden)
        residual = normed if self.norm_before_residual else hidden
        both = torch.cat([self.input_layernorm(embedded), normed], dim=-1)
        attended, _ = self.self_attn(both, position_embeddings=angles, attention_mask=mask, past_key_values=memory)
        residual = residual + attended
        out: Tensor = residual + self.mlp(self.post_attention_layernorm(residual))
        return out


class EagleNetwork(nn.Module):
    """From the target's hidden states and a token to the logits of the next one, and to a hidden state of its own."""

    def __init__(self, checkpoint: EagleCheckpoint) -> None:
        super().__init__()
        config = checkpoint.layer
        width, eps = config.hidden_size, config.rms_norm_eps
        size, num = checkpoint.target_hidden_size, checkpoint.num_read
        self.input_norm = LlamaRMSNorm(num * size, eps) if checkpoint.is_set("norm_before_fc") else None
        parts = [LlamaRMSNorm(size, eps) for _ in range(num)] if checkpoint.is_set("fc_norm") else None
        self.fc_norm = nn.ModuleList(parts) if parts else None
        self.fc = nn.Linear(num * size, width, bias=False)
        self.midlayer = EagleLayer(config, checkpoint.is_set("norm_before_residual"))
        self.norm = LlamaRMSNorm(width, eps)
        self.lm_head = nn.Linear(width, checkpoint.draft_vocab_size, bias=False)
        self.rotary = LlamaRotaryEmbedding(config)
        self.norm_output = checkpoint.is_set("norm_output")
        self.logit_scale = float(checkpoint.options.get("logit_scale") or 1.0)
        self.embedding = torch.empty(0)
        """[vocab, width]; most often the target's own, and so no weight of this network."""

    def fuse(self, features: Tensor) -> Tensor:
        """The target's hidden states [tokens, read * size] -> [tokens, width]."""
        if self.input_norm is not None:
            features = self.input_norm(features)
        if self.fc_norm is not None:
            chunks = features.chunk(len(self.fc_norm), dim=-1)
            features = torch.cat([norm(chunk) for norm, chunk in zip(self.fc_norm, chunks, strict=True)], dim=-1)
        fused: Tensor = self.fc(features)
        return fused

    def advance(self, tokens: Sequence[int], hidden: Tensor, memory: Memory) -> Tensor:
        """Pass over `tokens`, each with the hidden state [tokens, width] of the place before it -> [tokens, width].

        A token's place in the rotation is that of the hidden state, as in vLLM.
        """
        start, num = memory.length, len(tokens)
        ids = torch.tensor(list(tokens), device=self.embedding.device)
        embedded = self.embedding[ids].to(hidden)[None]
        places = torch.arange(start, start + num, device=hidden.device)[None]
        mask = None
        if start and num > 1:
            mask = torch.ones(num, start + num, dtype=torch.bool, device=hidden.device).tril(start)[None, None]
        out: Tensor = self.midlayer(embedded, hidden[None], self.rotary(hidden, places), mask, memory)
        return out[0]

    def logits(self, out: Tensor) -> Tensor:
        """[tokens, width] of `advance` -> [tokens, draft_vocab_size]."""
        scores: Tensor = self.lm_head(self.norm(out))
        return scores if self.logit_scale == 1.0 else scores * self.logit_scale

    def following(self, out: Tensor) -> Tensor:
        """What stands for the target's fused hidden state where the target has not been yet."""
        normed: Tensor = self.norm(out) if self.norm_output else out
        return normed
