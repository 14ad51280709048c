"""Networks with fewer layers than those that they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from draftlab.engines.hidden_states import decoder_layers
from draftlab.engines.shallow import save_network, shallow_copy
from draftlab.errors import UnsupportedError
from tests.models.tiny import FAMILIES, SEEDS, WIDTH, random_network, tiny_config

TOKENS = torch.tensor([[5, 9, 2, 11, 7, 3, 8, 1, 4, 6]])


def _network(family: str, *, tied: bool = False) -> Any:
    config = tiny_config(family, WIDTH)
    config.tie_word_embeddings = tied
    return random_network(config, seed=SEEDS[family])


@torch.no_grad()
def _logits(network: Any) -> torch.Tensor:
    logits: torch.Tensor = network(input_ids=TOKENS, use_cache=False).logits
    return logits


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_with_all_layers_it_is_the_same_network(family: str, tied: bool) -> None:
    network = _network(family, tied=tied)
    torch.testing.assert_close(_logits(shallow_copy(network, (0, 1), fresh=False)), _logits(network))


@pytest.mark.parametrize("family", FAMILIES)
def test_with_one_layer_it_is_the_network_without_the_other(family: str, tmp_path: Path) -> None:
    network = _network(family)
    made = shallow_copy(network, (1,), fresh=False)
    assert made.config.num_hidden_layers == len(decoder_layers(made)) == 1
    theirs = decoder_layers(network)[1].state_dict()
    for name, tensor in decoder_layers(made)[0].state_dict().items():
        assert torch.equal(tensor, theirs[name]), name
    save_network(made, tmp_path, torch.float32, network.generation_config)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert again.dtype == torch.float32
    assert torch.equal(_logits(again.eval()), _logits(made))


@pytest.mark.parametrize("family", FAMILIES)
def test_new_layers_stand_between_the_embedding_and_the_head_of_the_other(family: str) -> None:
    network = _network(family)
    torch.manual_seed(1)
    made = shallow_copy(network, (0,), fresh=True)
    assert torch.equal(made.get_input_embeddings().weight, network.get_input_embeddings().weight)
    assert torch.equal(made.get_output_embeddings().weight, network.get_output_embeddings().weight)
    theirs = decoder_layers(network)[0].state_dict()
    matrices = {name: value for name, value in decoder_layers(made)[0].state_dict().items() if value.ndim == 2}
    assert not any(torch.equal(value, theirs[name]) for name, value in matrices.items())


def test_layers_of_other_kinds_keep_their_kind() -> None:
    network = _network("gemma3")
    assert list(shallow_copy(network, (1,), fresh=False).config.layer_types) == ["full_attention"]
    assert network.config.layer_types == ["sliding_attention", "full_attention"]


def test_settings_that_the_library_refuses_to_save_are_kept(tmp_path: Path) -> None:
    odd = GenerationConfig(eos_token_id=[1, 2])
    odd.temperature = 0.6  # published files have it beside do_sample false
    save_network(shallow_copy(_network("llama"), (0,), fresh=False), tmp_path, torch.bfloat16, odd)
    found = GenerationConfig.from_pretrained(tmp_path)
    assert found.eos_token_id == [1, 2]
    assert found.temperature == 0.6
    assert AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16


def test_what_cannot_be_made_is_refused_in_one_line() -> None:
    network = _network("llama")
    network.config.num_attention_heads = 7
    with pytest.raises(UnsupportedError, match="of 1 layers cannot be made"):
        shallow_copy(network, (0,), fresh=False)
