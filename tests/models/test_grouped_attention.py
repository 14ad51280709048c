"""Query heads that share keys attend as they do in the library, in fewer passes over the cache."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen2Config
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from draftlab.engines.grouped_attention import NAME, _attend, use_grouped_attention
from tests.models.tiny import FAMILIES, SEEDS, WIDTH, random_network, tiny_config


class Module(torch.nn.Module):
    is_causal = True

    def __init__(self, share: int) -> None:
        super().__init__()
        self.num_key_value_groups = share


@pytest.mark.parametrize("mask", ["none", "shared", "by head"])
@pytest.mark.parametrize("rows", [1, 2, 5, 16])
@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 1), (6, 2)])
@pytest.mark.parametrize("texts", [1, 3])
def test_it_is_the_librarys_attention(texts: int, heads: int, groups: int, rows: int, mask: str) -> None:
    torch.manual_seed(0)
    places = rows if mask == "none" and rows > 1 else rows + 9
    query = torch.randn(texts, heads, rows, 8)
    key, value = torch.randn(2, texts, groups, places, 8)
    allowed = torch.ones(texts, 1 if mask == "shared" else heads, rows, places, dtype=torch.bool).tril(places - rows)
    if mask == "by head":
        allowed = allowed & (torch.rand(allowed.shape) > 0.3)
        allowed[..., 0] = True
    given = None if mask == "none" else allowed
    module = Module(heads // groups)
    own, _ = _attend(module, query, key, value, given)
    expected, _ = sdpa_attention_forward(module, query, key, value, given)
    torch.testing.assert_close(own, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_scores_alike(family: str) -> None:
    network = random_network(tiny_config(family, WIDTH), seed=SEEDS[family])
    before = network.config._attn_implementation
    ids = torch.arange(1, 13)[None]
    with torch.inference_mode():
        expected = network(input_ids=ids).logits
        use_grouped_attention(network)
        assert network.config._attn_implementation == (NAME if before == "sdpa" else before)
        torch.testing.assert_close(network(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)


def test_another_attention_is_left_alone() -> None:
    config = tiny_config("qwen2", WIDTH)
    assert isinstance(config, Qwen2Config)
    network = random_network(config, seed=1)
    network.set_attn_implementation("eager")
    use_grouped_attention(network)
    assert network.config._attn_implementation == "eager"
