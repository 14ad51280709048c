"""Packed linear layers: the same bits, in less time; and the network as it was wherever that does not hold."""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from draftlab.engines import packing
from draftlab.engines.fixed_shape import FixedShapeModel, require_exact
from draftlab.engines.linear_layers import LINEAR, find_linear_layers
from draftlab.engines.packing import PackedLinear, pack, probe
from draftlab.engines.transformers import TransformersModel
from draftlab.models import LoadOptions
from tests.models.native import PROMPTS, generate
from tests.models.saved import load_folder, save
from tests.models.tiny import FAMILIES, WIDTH, random_network, tiny_config, tiny_family

ROWS = (1, 2, 5, 8)
DTYPES = (torch.bfloat16, torch.float32)


def fresh(name: str, dtype: torch.dtype) -> Any:
    return copy.deepcopy(tiny_family(name).network).to(dtype)


@cache
def packs(dtype: torch.dtype) -> bool:
    """Whether this machine packs `dtype` with the same bits; where it does not, networks have to stay plain."""
    return pack(fresh("llama", dtype)) is None


def layers(network: Any) -> list[type]:
    return [type(module) for module in network.modules() if type(module) in (*LINEAR, PackedLinear)]


@torch.inference_mode()
def logits(network: Any) -> Tensor:
    return probe(network, ROWS)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_the_same_bit_for_bit(name: str, dtype: torch.dtype) -> None:
    network = fresh(name, dtype)
    before = logits(network)
    reason = pack(network)
    assert set(layers(network)) <= ({PackedLinear} if reason is None else set(LINEAR))
    assert torch.equal(logits(network), before)


def test_bfloat16_is_packed_where_the_processor_has_it() -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("no bfloat16 in oneDNN here")
    assert packs(torch.bfloat16)


@pytest.mark.parametrize("name", FAMILIES)
def test_generate_works_on_packed_layers(name: str) -> None:
    plain, packed = fresh(name, torch.bfloat16), fresh(name, torch.bfloat16)
    pack(packed)
    for prompt in PROMPTS[:4]:
        assert generate(packed, prompt, 12) == generate(plain, prompt, 12)


def test_the_networks_facts_stay() -> None:
    network = fresh("qwen2", torch.bfloat16)
    pack(network)
    assert (TransformersModel(network, "x").vocab_size, network.dtype, network.device.type) == (
        WIDTH,
        torch.bfloat16,
        "cpu",
    )


def test_a_tied_head_leaves_the_embedding_alone() -> None:
    config = tiny_config("llama", WIDTH)
    config.tie_word_embeddings = True
    network = random_network(config, seed=3).bfloat16()
    before, embedding = logits(network), network.get_input_embeddings().weight.clone()
    pack(network)
    assert torch.equal(network.get_input_embeddings().weight, embedding)
    assert torch.equal(logits(network), before)


def test_no_plain_weight_is_kept() -> None:
    if not packs(torch.bfloat16):
        pytest.skip("nothing is packed here")
    network = fresh("llama", torch.bfloat16)
    pack(network)
    held = {name for name, parameter in network.named_parameters() if parameter.ndim == 2}
    assert held == {"model.embed_tokens.weight"}


class Careless(PackedLinear):
    """A kernel that rounds otherwise from some number of rows on, which the look at one layer does not meet."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1.0 + 2.0**-7 * (self.out_features == WIDTH))


class Broken(PackedLinear):
    """A kernel that fails inside the network."""

    def forward(self, x: Tensor) -> Tensor:
        if self.out_features == WIDTH:
            raise RuntimeError("no such primitive\nand more")
        return super().forward(x)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("kind", "reason"), [(Careless, "bit for bit"), (Broken, "no such primitive$")])
def test_where_the_bits_differ_everything_is_undone(
    name: str, kind: type[PackedLinear], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packs(torch.bfloat16):
        pytest.skip("nothing is packed here")
    network = fresh(name, torch.bfloat16)
    before, found = logits(network), layers(network)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    monkeypatch.setattr(packing, "PackedLinear", kind)
    said = pack(network)
    assert said is not None
    assert re.search(reason, said)
    assert layers(network) == found
    after = network.state_dict()
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[key], weights[key]) for key in weights)
    assert torch.equal(logits(network), before)


def test_a_layer_with_a_hook_or_of_another_type_is_left_alone() -> None:
    network = fresh("llama", torch.bfloat16)
    network.lm_head.register_forward_hook(lambda *_: None)
    network.model.layers[0].mlp.gate_proj.__class__ = type("Own", (torch.nn.Linear,), {})
    network.model.layers[0].mlp.up_proj.forward = lambda x: x  # as accelerate does it
    names = [site.name for site in find_linear_layers(network)]
    assert "lm_head" not in names
    assert names.count("gate_proj") == names.count("up_proj") == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_the_exact_mode_stands_on_packed_layers(name: str) -> None:
    network = fresh(name, torch.bfloat16)
    pack(network, (1, 8))
    require_exact(FixedShapeModel(network, name, 8))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_loading_packs_and_says_what_it_did(tmp_path: Any, dtype: Any) -> None:
    said: list[str] = []
    save(tiny_family("llama").network, tmp_path / "model")
    loaded = load_folder(tmp_path / "model", LoadOptions(device="cpu", dtype=dtype, say=said.append))
    assert loaded.description["linear"] == ("packed" if packs(getattr(torch, dtype)) else "plain")
    assert [line for line in said if "linear layers stay" in line] == said
    assert bool(said) == (loaded.description["linear"] == "plain" and dtype != "float32")
    assert loaded.description["parameters"] == sum(p.numel() for p in tiny_family("llama").network.parameters())
