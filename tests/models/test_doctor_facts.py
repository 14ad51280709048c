"""What the doctor reads from the files of a model, without its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from draftlab.doctor.facts import Facts, _cache, read_facts
from draftlab.engines.growing_cache import growing_cache
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from tests.models.saved import load_folder, save
from tests.models.shapes import save_shape
from tests.models.test_refusals import recurrent
from tests.models.tiny import CONTEXT, WIDTH, WINDOW, Family, tiny_family

CPU = LoadOptions(device="cpu")
PUBLISHED = {  # parameters of the published models, in millions
    "qwen2.5-7b": 7615.6, "qwen2.5-0.5b": 494.0, "pythia-12b": 11846.1, "pythia-70m": 70.4, "llama-405b": 405853.4,
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_weights_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("weights were read"))


def read(folder: Path, options: LoadOptions = CPU) -> Facts:
    return read_facts(resolve(str(folder)), options)


def test_a_folder_of_each_family(family: Family, tmp_path: Path) -> None:
    facts = read(save(family.network, tmp_path / "model"))
    assert facts.architecture == type(family.network).__name__
    assert facts.width == WIDTH
    assert facts.context_length == CONTEXT
    assert facts.num_parameters == sum(p.numel() for p in family.network.parameters())
    assert facts.weight_bytes == 4 * facts.num_parameters
    assert (facts.dtype, facts.weights, facts.recurrent) == ("float32", "here", False)
    assert facts.windows == ({WINDOW} if family.name == "gemma3" else set())


def test_the_cache_is_as_large_as_it_says(family: Family, tmp_path: Path) -> None:
    """Against the tensors that a pass of three tokens really leaves behind."""
    cache = growing_cache(family.network.config, 20)
    family.network(input_ids=family.network.dummy_inputs["input_ids"][:1, :3], past_key_values=cache, use_cache=True)
    kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    facts = read(save(family.network, tmp_path / "model"))
    assert facts.bytes_at(3) - facts.weight_bytes == kept


@pytest.mark.parametrize("kind", ["deepseek_v3", "falcon"])
def test_families_that_keep_less_than_their_heads(kind: str) -> None:
    shape: dict[str, Any] = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    if kind == "deepseek_v3":
        shape |= {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 8}
        shape |= {"num_key_value_heads": 4, "intermediate_size": 64, "first_k_dense_replace": 2}
    config = AutoConfig.for_model(kind, bos_token_id=None, eos_token_id=None, **shape)
    network = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    cache = DynamicCache(config=config)
    network(input_ids=torch.tensor([[1, 2, 3]]), past_key_values=cache, use_cache=True)
    kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert sum(layer.bytes_at(3) for layer in _cache(config, config, 4)) == kept


@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_of_published_models_without_weights(name: str, tmp_path: Path) -> None:
    facts = read(save_shape(name, tmp_path / name))
    assert facts.num_parameters / 1e6 == pytest.approx(PUBLISHED[name], abs=0.1)
    assert facts.weights == "missing"


def test_dtype_as_asked(tmp_path: Path) -> None:
    facts = read(save_shape("qwen2.5-0.5b", tmp_path / "m"), LoadOptions(device="cpu", dtype="float32"))
    assert (facts.dtype, facts.weight_bytes) == ("float32", 4 * facts.num_parameters)


@pytest.mark.parametrize("kind", ["mamba", "rwkv", "jamba", "qwen3_next", "lfm2"])
def test_a_recurrent_state_is_seen(kind: str, tmp_path: Path) -> None:
    assert read(save(AutoModelForCausalLM.from_config(recurrent(kind)), tmp_path / kind)).recurrent


def test_settings_of_the_generation_config(tmp_path: Path) -> None:
    facts = read(save_shape("qwen2.5-0.5b", tmp_path / "m", eos_token_id=[1, 2], repetition_penalty=1.1, num_beams=4))
    assert facts.stop_tokens == {1, 2}
    assert facts.settings["repetition_penalty"] == 1.1
    assert facts.settings["ignored"] == ["num_beams"]


def test_without_a_generation_config_the_configuration_names_the_stop_token(tmp_path: Path) -> None:
    assert read(save_shape("qwen2.5-0.5b", tmp_path / "m")).stop_tokens == {1}


def test_pickled_weights_are_seen_and_not_opened(tmp_path: Path) -> None:
    folder = save_shape("pythia-70m", tmp_path / "m")
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    assert read(folder).weights == "pickled"
    assert read(folder, LoadOptions(device="cpu", allow_pickle=True)).weights == "here"


def test_a_toy_is_its_own_record() -> None:
    facts = read_facts(resolve("toy:0.5"), CPU)
    assert (facts.width, facts.num_tokens, facts.checkpoint, facts.stop_tokens) == (97, 97, None, {0})


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = save_shape("pythia-70m", tmp_path / "m")
    for file in folder.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(DraftlabError, match="tokenizer"):
        read(folder)


def test_a_tied_embedding_is_counted_once_when_loading_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted twice, a model that fits would be refused."""
    monkeypatch.undo()  # here they are read
    network = tiny_family("qwen2").network
    config = type(network.config)(**(network.config.to_dict() | {"tie_word_embeddings": True}))
    folder = save(AutoModelForCausalLM.from_config(config), tmp_path / "tied")
    counted = read(folder).num_parameters
    assert counted == load_folder(folder).description["parameters"]
