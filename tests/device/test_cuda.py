"""What holds on a CPU has to hold on a GPU; skipped where there is none."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from draftlab.drafters.none import NoDrafter
from draftlab.engines.captured import CapturedModel
from draftlab.engines.fixed_shape import FixedShapeModel, require_exact
from draftlab.engines.transformers import TransformersModel
from draftlab.models import LoadOptions
from draftlab.testing import check_engine
from tests.models.running import decoder, model_drafter, run
from tests.models.saved import load_folder, save
from tests.models.tiny import FAMILIES, REAL, WIDTH, random_network, tiny_config, tiny_family

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

PROMPTS = [[(7 * i + 3 * j) % REAL for j in range(3 + i % 9)] for i in range(6)]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_engine_keeps_its_contract(name: str) -> None:
    check_engine(TransformersModel(copy.deepcopy(tiny_family(name).network).cuda(), name), PROMPTS[5], 1e-2)


@pytest.mark.parametrize("name", FAMILIES)
def test_exact_texts_are_plain_decodings_in_16_bit(name: str) -> None:
    family = tiny_family(name)
    target = FixedShapeModel(copy.deepcopy(family.network).bfloat16().cuda(), name, 8)
    require_exact(target)
    small = TransformersModel(copy.deepcopy(family.drafters["narrower"]).cuda(), "small")
    for prompt in PROMPTS:
        plain = run(decoder(target, NoDrafter(), 0), prompt, 24)
        assert run(decoder(target, model_drafter(target, small), 4), prompt, 24).tokens == plain.tokens


@pytest.mark.parametrize("name", FAMILIES)
def test_captured_texts_are_those_of_ordinary_passes(name: str) -> None:
    """In float32, so that no near tie decides; graphs of passes and of whole drafts must have been used."""
    family = tiny_family(name)
    network = copy.deepcopy(family.network).cuda()
    small = copy.deepcopy(family.drafters["narrower"]).cuda()
    said: list[str] = []
    target, drafter = CapturedModel(network, name, 5, said.append), CapturedModel(small, "small", 2, said.append)
    target.prepare(5)
    drafter.prepare(2, 4, target.vocab_size)
    assert (target.captures, drafter.captures, said) == (True, True, [])
    ordinary = TransformersModel(network, name)
    for prompt in PROMPTS:
        plain = run(decoder(ordinary, NoDrafter(), 0), prompt, 24)
        assert run(decoder(target, model_drafter(target, drafter), 4), prompt, 24).tokens == plain.tokens


def test_captured_16_bit_logits_are_near_the_ordinary_ones() -> None:
    network = copy.deepcopy(tiny_family("qwen2").network).bfloat16().cuda()
    target = CapturedModel(network, "qwen2", 5)
    target.prepare(5)
    assert target.captures
    ordinary = TransformersModel(network, "qwen2")
    target.reset()
    for model in (target, ordinary):
        model.forward(PROMPTS[5][:4], num_rows=1)
    torch.testing.assert_close(target.forward(PROMPTS[5][4:]), ordinary.forward(PROMPTS[5][4:]), rtol=0.05, atol=0.2)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("more", [{"device": "spread"}, {"tensor_parallel": 2}], ids=str)
def test_texts_of_two_gpus_are_those_of_one(more: dict[str, Any], tmp_path: Path) -> None:
    config = tiny_config("llama", WIDTH)
    config.num_key_value_heads = 2
    folder = save(random_network(config, seed=1), tmp_path / "model")
    one, two = load_folder(folder, LoadOptions(device="cuda:0")), load_folder(folder, LoadOptions(**more))
    if "tensor_parallel" in more:  # accelerate may find that so little fits one
        assert two.description["device"] == ["cuda:0", "cuda:1"]
    small = TransformersModel(copy.deepcopy(tiny_family("llama").drafters["narrower"]).cuda(), "small")
    for prompt in PROMPTS:
        plain = run(decoder(one.model, NoDrafter(), 0), prompt, 24).tokens
        assert run(decoder(two.model, NoDrafter(), 0), prompt, 24).tokens == plain
        assert run(decoder(two.model, model_drafter(two.model, small), 4), prompt, 24).tokens == plain
