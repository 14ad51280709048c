"""What a loaded model is: its dtype, its description, its files' hashes, and weights that are in memory."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from draftlab.drafters.none import NoDrafter
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions
from draftlab.testing import check_engine
from draftlab.types import LoadedModel
from tests.models.native import PROMPTS, STOP, native_texts
from tests.models.running import decoder, run
from tests.models.saved import END, load_folder, save, sentence, words
from tests.models.tiny import CONTEXT, REAL, WIDTH, random_network, tiny_config, tiny_family

SAVED = ("gpt2", "gpt_neox", "llama", "gemma3")  # of qwen2 transformers insists on a byte-level tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tiny_family("llama").network, tmp_path / "model")


def text_of(loaded: LoadedModel, prompt: list[int]) -> list[int]:
    return run(decoder(loaded.model, NoDrafter(), 0, stop=STOP), prompt, 24).tokens


@pytest.mark.parametrize("name", SAVED)
def test_a_folder_is_the_model_that_was_saved(name: str, tmp_path: Path) -> None:
    loaded = load_folder(save(tiny_family(name).network, tmp_path / name))
    assert [text_of(loaded, prompt) for prompt in PROMPTS[:3]] == native_texts(name)[:3]
    assert (loaded.model.vocab_size, loaded.model.context_length) == (WIDTH, CONTEXT)
    check_engine(loaded.model, PROMPTS[9], 1e-4)


@pytest.mark.parametrize("name", SAVED)
def test_tied_weights_are_whole_and_stay_tied(name: str, tmp_path: Path) -> None:
    """The output's weights are not in the file: that is no loss, and they must not be read as two."""
    config = tiny_config(name, WIDTH)
    config.tie_word_embeddings = True
    network = random_network(config, seed=0)
    loaded = load_folder(save(network, tmp_path / name))
    assert loaded.description["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    with torch.no_grad():
        expected = network(torch.tensor([PROMPTS[9]])).logits[0]
    assert torch.allclose(loaded.model.forward(PROMPTS[9]), expected, atol=1e-4)


def test_the_tokenizer_is_the_folders(folder: Path) -> None:
    tokenizer = load_folder(folder).tokenizer
    assert tokenizer.encode(sentence([2, 47, 5])) == [2, 47, 5]
    assert tokenizer.decode([2, words()[END], 5], raw=True).split() == ["w2", END, "w5"]
    assert END not in tokenizer.decode([2, words()[END], 5])
    assert tokenizer.vocabulary() == {i: word for word, i in words().items()}
    assert tokenizer.special_ids() == {0, 1}
    assert len(tokenizer.vocabulary()) == REAL < WIDTH
    with pytest.raises(DraftlabError, match="no chat template"):
        tokenizer.encode_chat([{"role": "user", "content": "w2"}])


@pytest.mark.parametrize("asked", ["float32", "bfloat16", "float16"])
def test_a_given_dtype_is_taken(folder: Path, asked: str) -> None:
    loaded = load_folder(folder, LoadOptions(device="cpu", dtype=asked))  # type: ignore[arg-type]
    assert loaded.description["dtype"] == asked
    assert loaded.model.forward([2, 3]).dtype == getattr(torch, asked)


@pytest.mark.parametrize("saved", ["float32", "bfloat16", "float16", None])
def test_dtype_auto_is_the_checkpoints(folder: Path, saved: str | None) -> None:
    config = json.loads((folder / "config.json").read_text())
    del config["dtype"]
    (folder / "config.json").write_text(json.dumps(config | ({"dtype": saved} if saved else {})))
    assert load_folder(folder).description["dtype"] == (saved or "float32")


def test_the_description_is_what_a_manifest_needs(folder: Path) -> None:
    described = load_folder(folder).description
    expected = {
        "source": str(folder),
        "kind": "folder",
        "engine": "transformers",
        "architecture": "LlamaForCausalLM",
        "dtype": "float32",
        "device": "cpu",
        "parameters": sum(parameter.numel() for parameter in tiny_family("llama").network.parameters()),
        "revision": None,
    }
    assert {key: described[key] for key in expected} == expected
    json.dumps(dict(described))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_fingerprint_is_the_files_sha256(folder: Path) -> None:
    path = folder / "model.safetensors"
    assert load_folder(folder).fingerprint() == {path.name: sha256(path)}


def test_every_shard_has_its_fingerprint(tmp_path: Path) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    tiny_family("llama").network.save_pretrained(folder, max_shard_size="40KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 1
    assert load_folder(folder).fingerprint() == {path.name: sha256(path) for path in shards}


def test_pickled_weights_load_where_they_are_allowed(folder: Path) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), path)
    (folder / "model.safetensors").unlink()
    loaded = load_folder(folder, LoadOptions(device="cpu", allow_pickle=True))
    assert text_of(loaded, PROMPTS[0]) == native_texts("llama")[0]
    assert loaded.fingerprint() == {path.name: sha256(path)}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is mapped")
def test_weights_on_a_cpu_are_in_memory_and_not_mapped(folder: Path) -> None:
    """Mapped weights can be dropped by the system and read from disk again in the middle of a measurement."""
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert any(is_mapped(parameter) for parameter in plain.parameters()), "transformers maps no more: drop this test"
    loaded: Any = load_folder(folder).model
    assert not any(is_mapped(parameter) for parameter in loaded._network.parameters())


def is_mapped(tensor: torch.Tensor) -> bool:
    """Whether its first byte lies in a mapping of a safetensors file."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(".safetensors"):
            first, last = (int(end, 16) for end in line.split()[0].split("-"))
            if first <= tensor.data_ptr() < last:
                return True
    return False
