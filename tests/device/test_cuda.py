"""What holds on a CPU has to hold on a GPU; skipped where there is none."""

from __future__ import annotations

import copy

import pytest
import torch

from draftlab.drafters.none import NoDrafter
from draftlab.engines.fixed_shape import FixedShapeModel, require_exact
from draftlab.engines.transformers import TransformersModel
from draftlab.testing import check_engine
from tests.models.running import decoder, model_drafter, run
from tests.models.tiny import FAMILIES, REAL, tiny_family

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
