"""GGUF files: a whole one is the model that was written, any other is refused in one line."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions
from draftlab.testing import check_engine
from tests.models.gguf_file import write_gguf
from tests.models.native import PROMPTS
from tests.models.saved import load_folder
from tests.models.tiny import CONTEXT, WIDTH, tiny_family

TEXT = PROMPTS[9]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_gguf(tiny_family("llama").network, tmp_path / "model.gguf")


def test_a_gguf_file_is_the_model_that_was_written(path: Path) -> None:
    loaded = load_folder(path, LoadOptions(device="cpu", dtype="float32"))
    with torch.no_grad():
        expected = tiny_family("llama").network(torch.tensor([TEXT])).logits[0]
    assert torch.allclose(loaded.model.forward(TEXT), expected, atol=1e-3)
    assert (loaded.model.vocab_size, loaded.model.context_length) == (WIDTH, CONTEXT)
    assert loaded.defaults["eos_token_id"] == [1]
    check_engine(loaded.model, TEXT, 1e-4)


def test_its_description_and_fingerprint(path: Path) -> None:
    loaded = load_folder(path)
    described = {key: loaded.description[key] for key in ("source", "kind", "architecture")}
    assert described == {"source": str(path), "kind": "gguf", "architecture": "LlamaForCausalLM"}
    assert loaded.fingerprint() == {path.name: hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_quantised_file_has_no_dtype_of_its_own(path: Path) -> None:
    """So `auto` is bfloat16, whatever the file stores."""
    assert load_folder(path).description["dtype"] == "bfloat16"


def refusal(path: Path) -> str:
    with pytest.raises(DraftlabError) as caught:
        load_folder(path)
    assert caught.value.hint
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize("content", [b"", b"GG", b"<!doctype html>", b"FUGG" + bytes(100)])
def test_a_file_that_is_no_gguf(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "is no GGUF file" in refusal(path)


@pytest.mark.parametrize("kept", [4, 10, 24, 100, 800, 3000, 40_000, -10])
def test_a_download_that_was_cut_short(path: Path, kept: int) -> None:
    """In the magic, the header, a key, a value, the table of tensors, and their data."""
    whole = path.read_bytes()
    assert kept < len(whole)
    path.write_bytes(whole[:kept])
    assert "cannot load the configuration" in refusal(path)
