"""The EAGLE-3 drafter against EAGLE-3 written down a second time, without caches, modules or hooks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import rms_norm, silu

from draftlab.drafters.eagle.drafter import EagleDrafter
from draftlab.engines.compression import arrange_network
from draftlab.engines.fixed_shape import FixedShapeModel
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import ContractError
from draftlab.models import LoadOptions
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.testing import law_of_decoding, law_of_target, total_variation
from draftlab.types import Draft, DrafterContext, LoadedModel, Rng
from tests.models.eagle import eagle_config, eagle_tensors, stored
from tests.models.running import GREEDY, decoder, run
from tests.models.test_sampling_law import PROMPT, STOP, TOLERANCE, WARM, uncached
from tests.models.tiny import letter_family

Config = dict[str, Any]
Engine = TransformersModel | FixedShapeModel
LLAMA3 = {
    "factor": 8.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 16,
    "rope_type": "llama3",
}
READ = {"eagle_config": {"eagle_aux_hidden_state_layer_ids": [0, 1], "use_aux_hidden_state": True}}
BUILDS: dict[str, Config] = {
    "published": {},
    "norm-before-residual": {"norm_before_residual": True},
    "norm-output": {"norm_output": True},
    "norm-before-fc": {"norm_before_fc": True},
    "fc-norm": {"fc_norm": True},
    "wide-heads": {"head_dim": 12},
    "scaled": {"logit_scale": 0.5},
}


def target(kind: str = "growing") -> Engine:
    network = letter_family("llama").network
    return TransformersModel(network, "llama") if kind == "growing" else FixedShapeModel(network, "llama", 6)


def head(**more: Any) -> tuple[Config, dict[str, Tensor]]:
    """Of three tokens of the target's four."""
    config = eagle_config(4, 16, 3, **READ, **more)
    tensors = eagle_tensors(config, num_read=2, seed=3, gain=1.5)
    tensors["d2t"] = torch.tensor([0, 0, 1])  # its third token is the target's fourth
    if more.get("norm_before_fc"):
        tensors["input_norm.weight"] = torch.linspace(0.5, 1.5, 32)
    if more.get("fc_norm"):
        tensors |= {f"fc_norm.{i}.weight": torch.linspace(0.5, 1.0 + i, 16) for i in range(2)}
    return config, tensors


def build(
    model: Engine, config: Config, tensors: dict[str, Tensor], sampling: Sampling = GREEDY, **options: Any
) -> EagleDrafter:
    letters = SimpleNamespace(encode=lambda text: [len(word) % 4 for word in text.split()])
    loaded = LoadedModel(model, letters, {}, {})  # type: ignore[arg-type]
    warp_for = partial(Warper, sampling, width=model.vocab_size)
    arrange = partial(arrange_network, LoadOptions())
    context = DrafterContext(loaded, lambda *_: loaded, warp_for, lambda _: stored(config, tensors), arrange)
    return EagleDrafter.build(context, argument="tiny", **{"compress": "none", **options})


class Watched(EagleDrafter):
    """Notes the text of every draft and its logits."""

    drafts: list[tuple[list[int], Draft]]

    @classmethod
    def of(cls, drafter: EagleDrafter) -> Watched:
        drafter.__class__ = cls
        assert isinstance(drafter, cls)
        drafter.drafts = []
        return drafter

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        draft = super().propose(tokens, limit, rng)
        self.drafts.append((list(tokens), draft))
        return draft


def rotated(x: Tensor, theta: float) -> Tensor:
    """[tokens, heads, dim], each token turned by its place."""
    half = x.shape[-1] // 2
    angles = torch.arange(len(x))[:, None] * theta ** (-torch.arange(half) / half)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.cat([x[..., :half] * cos - x[..., half:] * sin, x[..., half:] * cos + x[..., :half] * sin], dim=-1)


def layer(config: Config, weights: dict[str, Tensor], embedded: Tensor, hidden: Tensor) -> Tensor:
    """The decoder layer over a whole text: [tokens, width] of both -> [tokens, width]."""

    def weight(name: str) -> Tensor:
        return weights[f"midlayer.{name}.weight"]

    def norm(x: Tensor, name: str) -> Tensor:
        return rms_norm(x, x.shape[-1:], weight(name), config["rms_norm_eps"])

    normed = norm(hidden, "hidden_norm")
    residual = normed if config.get("norm_before_residual") else hidden
    both = torch.cat([norm(embedded, "input_layernorm"), normed], dim=-1)
    num, dim = len(both), config.get("head_dim") or 8
    q, k, v = ((both @ weight(f"self_attn.{name}_proj").T).view(num, -1, dim) for name in "qkv")
    q, k = rotated(q, config["rope_theta"]), rotated(k, config["rope_theta"])
    k, v = k.expand(-1, 2, -1), v.expand(-1, 2, -1)
    scores = torch.einsum("ihd,jhd->hij", q, k) / dim**0.5
    scores = scores.masked_fill(torch.ones(num, num).triu(1).bool(), -torch.inf).softmax(-1)
    attended = torch.einsum("hij,jhd->ihd", scores, v).reshape(num, -1) @ weight("self_attn.o_proj").T
    residual = residual + attended
    x = norm(residual, "post_attention_layernorm")
    gate = silu(x @ weight("mlp.gate_proj").T) * (x @ weight("mlp.up_proj").T)
    return residual + gate @ weight("mlp.down_proj").T


def fused(config: Config, weights: dict[str, Tensor], states: Tensor) -> Tensor:
    if config.get("norm_before_fc"):
        states = rms_norm(states, states.shape[-1:], weights["input_norm.weight"], config["rms_norm_eps"])
    if config.get("fc_norm"):
        parts = [
            rms_norm(states[:, 16 * i : 16 * i + 16], (16,), weights[f"fc_norm.{i}.weight"], config["rms_norm_eps"])
            for i in range(2)
        ]
        states = torch.cat(parts, dim=-1)
    return states @ weights["fc.weight"].T


@torch.inference_mode()
def expected(config: Config, weights: dict[str, Tensor], text: list[int], drafted: Sequence[int]) -> list[Tensor]:
    """The logits over the target's tokens of each drafted token, each from all that stands before it."""
    network = letter_family("llama").network
    found = network(torch.tensor([text]), use_cache=False, output_hidden_states=True).hidden_states
    hidden = fused(config, weights, torch.cat([found[0][0], found[1][0]], dim=-1)[:-1])
    rows, tokens = [], list(text)
    for token in drafted:
        embedded = network.model.embed_tokens.weight[torch.tensor(tokens[1:])]
        out = layer(config, weights, embedded, hidden)[-1:]
        normed = rms_norm(out, out.shape[-1:], weights["norm.weight"], config["rms_norm_eps"])
        row = torch.full((4,), -torch.inf)
        row[torch.tensor([0, 1, 3])] = (normed @ weights["lm_head.weight"].T)[0] * config.get("logit_scale", 1.0)
        rows.append(row)
        tokens.append(token)
        hidden = torch.cat([hidden, normed if config.get("norm_output") else out])
    return rows


@pytest.mark.parametrize("engine", ["growing", "fixed"])
@pytest.mark.parametrize("build_of", BUILDS)
def test_its_logits_are_those_of_the_paper(build_of: str, engine: str) -> None:
    config, tensors = head(**BUILDS[build_of])
    model = target(engine)
    drafter = Watched.of(build(model, config, tensors))
    rounds = []
    for prompt in ([0, 1, 2, 0, 2], [3], [2, 2]):  # the second has nothing to read in its first round
        rounds += run(decoder(model, drafter, 4), prompt, 24).rounds
    assert sum(len(draft.tokens) for _, draft in drafter.drafts) > 60
    assert {0, 1} < {outcome.num_accepted for outcome in rounds}, "nothing was taken back, or nothing kept"
    for text, draft in drafter.drafts:
        for mine, theirs in zip(draft.logits or (), expected(config, tensors, text, draft.tokens), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=2e-4)


def test_the_first_round_after_a_single_token_drafts_nothing() -> None:
    model = target()
    drafter = Watched.of(build(model, *head()))
    run(decoder(model, drafter, 3), [3], 6)
    assert [len(draft.tokens) > 0 for _, draft in drafter.drafts][:2] == [False, True]


def test_rotations_that_are_scaled_are_read() -> None:
    """The configuration of yuhuili/EAGLE3-LLaMA3.1-Instruct-8B's target, which several heads repeat."""
    plain, scaled = (build(target(), *head(**more)) for more in ({}, {"rope_scaling": LLAMA3}))
    assert not torch.equal(plain.network.rotary.inv_freq, scaled.network.rotary.inv_freq)
    assert torch.isfinite(scaled.network.rotary.inv_freq).all()


@pytest.mark.parametrize("sampling", [WARM, Sampling(temperature=0.7, top_k=2)], ids=["warm", "cut"])
@pytest.mark.parametrize("options", [{}, {"stop_confidence": 0.5}], ids=["whole", "early"])
def test_the_law_of_a_sampled_text_is_the_targets(sampling: Sampling, options: dict[str, float]) -> None:
    model = target()
    subject = decoder(model, build(model, *head(), sampling, **options), 2, sampling, STOP)
    law = law_of_decoding(subject, PROMPT, 3)
    exact = law_of_target(uncached(letter_family("llama").network), PROMPT, sampling, 3, STOP)
    assert total_variation(law, exact) < TOLERANCE


def test_what_the_file_lacks_is_the_targets() -> None:
    config, tensors = head()
    del tensors["lm_head.weight"]
    model = target()
    network = build(model, config, tensors).network
    assert torch.equal(network.lm_head.weight, model.head()[[0, 1, 3]])
    assert network.embedding.data_ptr() == model.embedding().data_ptr()
    own = torch.randn(4, 16)
    assert torch.equal(build(model, config, {**tensors, "embed_tokens.weight": own}).network.embedding, own)


def test_the_speculators_librarys_files_are_the_same_head() -> None:
    config, tensors = head(norm_before_residual=True)
    names = {name: name.replace("midlayer.", "layers.0.") for name in tensors}
    outer = ("draft_vocab_size", "eagle_config", "norm_before_residual")
    nested = {
        "speculators_model_type": "eagle3",
        "transformer_layer_config": {key: value for key, value in config.items() if key not in outer},
        "draft_vocab_size": 3,
        "eagle_aux_hidden_state_layer_ids": [0, 1],
    }
    model = target()
    drafters = [
        Watched.of(build(model, config, tensors)),
        Watched.of(build(model, nested, {names[name]: tensor for name, tensor in tensors.items()})),
    ]
    one, other = (run(decoder(model, drafter, 3), PROMPT, 12) for drafter in drafters)
    assert one == other


@pytest.mark.parametrize("compress", ["none", "int8", "int4", "auto"])
def test_however_its_weights_are_kept_the_text_is_the_targets(compress: str) -> None:
    model = target()
    plain = run(decoder(model, build(model, *head()), 0), PROMPT, 16)
    drafted = run(decoder(model, build(model, *head(), compress=compress), 3), PROMPT, 16)
    assert drafted.tokens == plain.tokens


def test_it_does_not_draft_without_its_target() -> None:
    model = target()
    drafter = build(model, *head())
    drafter.begin(PROMPT)
    with pytest.raises(ContractError, match="only while its own target decodes"):
        drafter.propose(PROMPT, 2, None)  # type: ignore[arg-type]
    model.reset()


def test_rounds_without_a_draft_do_not_pile_up_hidden_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("draftlab.drafters.eagle.drafter._MOST_WAITING", 5)
    model = target()
    drafter = build(model, *head())
    waiting = []

    class Counting(EagleDrafter):
        def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
            draft = super().propose(tokens, limit, rng)
            assert self._tap is not None
            waiting.append(self._tap.num_waiting)
            return draft

    drafter.__class__ = Counting
    run(decoder(model, drafter, 0), [0, 1], 20)
    assert max(waiting) == 4 and waiting.count(0) >= 3
