"""A run with an EAGLE-3 head taken to other engines: the copy that they need, and what they would make of it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.models.eagle import eagle_config, eagle_tensors, save_eagle
from tests.models.saved import save
from tests.models.tiny import WIDTH, tiny_family

ARM = "eagle:./h,stop_confidence=0.5,compress=none"
IDS = "eagle_aux_hidden_state_layer_ids"


def write_head(folder: Path, layers: list[int], *, whole: bool = False, **more: Any) -> None:
    config = eagle_config(WIDTH, 32, 20, **{IDS: layers}, **more)
    tensors = eagle_tensors(config, num_read=len(layers))
    if not whole:
        del tensors["lm_head.weight"]
    save_eagle(folder, config, tensors)


@pytest.fixture
def run(draftlab: Command, tmp_path: Path) -> str:
    """The folder of a run with target `t` and head `h`, alone and behind prompt lookup."""
    save(tiny_family("llama").network, tmp_path / "t")
    write_head(tmp_path / "h", [0, 1, 2])
    prompts = [{"id": f"p{i}", "category": "words", "prompt": f"w{i} w7 w9"} for i in range(2, 4)]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    flags = ("--gamma", "3", "--max-new-tokens", "6", "--device", "cpu", "--no-control", "--phases", "0")
    arms = ("-d", ARM, "-d", "lookup+eagle:./h")
    made = draftlab("bench", "--target", "t", *arms, "--suite", "words.jsonl", *flags, "--out", "run")
    assert made.status == 0, made.err
    return "run"


def exported(draftlab: Command, run: str, engine: str) -> Any:
    result = draftlab("export", run, "--to", engine, "--arm", f"{ARM} gamma=3", "--json")
    assert result.status == 0, result.err
    return result.document


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_the_copy_comes_first_and_its_command_writes_it(draftlab: Command, run: str, engine: str) -> None:
    document = exported(draftlab, run, engine)
    assert document["before"] == ["draftlab complete-head t ./h ./h-complete"]
    assert "./h-complete" in document["text"]
    said = " ".join(document["notes"])
    assert "stop_confidence=0.5 is draftlab's own" in said
    written = draftlab(*shlex.split(document["before"][0])[1:])
    assert written.status == 0
    assert written.out.startswith("written: h-complete, with an lm_head of 20 rows of 32 in float32")
    assert "is there already" in draftlab(*shlex.split(document["before"][0])[1:]).error


def test_a_head_with_all_of_its_rows_is_taken_as_it_is(draftlab: Command, run: str) -> None:
    write_head(Path("h"), [0, 1, 2], whole=True)
    document = exported(draftlab, run, "vllm")
    assert document["before"] == []
    words = shlex.split(document["text"].replace("\\\n", " "))
    asked = json.loads(words[words.index("--speculative-config") + 1])
    assert asked == {"method": "eagle3", "model": "h", "num_speculative_tokens": 3}


def test_layers_are_counted_as_the_engine_counts(draftlab: Command, run: str) -> None:
    document = exported(draftlab, run, "trtllm")
    assert "eagle3_layers_to_capture" not in document["text"]
    assert any(note.startswith("REFUSED: the head reads the embedded token") for note in document["notes"])
    write_head(Path("h"), [1, 2])
    document = exported(draftlab, run, "trtllm")
    assert "eagle3_layers_to_capture: [0, 1]" in document["text"]
    assert not any(note.startswith("REFUSED") for note in document["notes"])


@pytest.mark.parametrize(
    ("layers", "more", "said"),
    [
        ([0, 2], {}, "REFUSED: the head reads what leaves the last of 2 layers"),
        ([0, 1], {}, "limited: SGLang 0.5.23 would show the head what leaves -1, 1, 2 layers, and it reads 0, 1"),
        ([0, 1], {"eagle_config": {IDS: [-1, 0]}}, None),
    ],
)
def test_what_sglang_shows_a_head(
    draftlab: Command, run: str, layers: list[int], more: dict[str, Any], said: str | None
) -> None:
    write_head(Path("h"), layers, **more)
    notes = [note for note in exported(draftlab, run, "sglang")["notes"] if note.startswith(("REFUSED", "limited"))]
    assert [note.startswith(said) for note in notes] == ([True] if said else [])


@pytest.mark.parametrize(("engine", "refused"), [("vllm", False), ("sglang", True), ("trtllm", True)])
def test_settings_that_an_engine_does_not_read(draftlab: Command, run: str, engine: str, refused: bool) -> None:
    write_head(Path("h"), [1, 2], norm_before_residual=True)
    notes = exported(draftlab, run, engine)["notes"]
    assert any("the head sets norm_before_residual" in note for note in notes) == refused


def test_files_that_are_gone_are_a_note(draftlab: Command, run: str) -> None:
    Path("h/model.safetensors").unlink()
    document = exported(draftlab, run, "vllm")
    assert document["before"] == [] and any("were not looked at" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("engine", "arm", "message"),
    [
        ("llama.cpp", f"{ARM} gamma=3", "an EAGLE-3 head as a GGUF file alone"),
        ("transformers", f"{ARM} gamma=3", "no drafter that reads hidden states"),
        ("vllm", "lookup+eagle:./h gamma=3", "is draftlab's own: no other engine has it"),
    ],
)
def test_what_cannot_be_taken_there(draftlab: Command, run: str, engine: str, arm: str, message: str) -> None:
    result = draftlab("export", run, "--to", engine, "--arm", arm)
    assert result.status == 2
    assert message in result.error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("t", "t", "x"), "is no EAGLE-3 drafter"),
        (("t", "toy", "x"), "neither a folder nor a hub id"),
        (("t", "nobody", "x"), "no model is called 'nobody'"),
        (("toy", "h", "x"), "was made for a vocabulary of 60"),
    ],
)
def test_what_cannot_be_completed(draftlab: Command, run: str, words: tuple[str, ...], message: str) -> None:
    result = draftlab("complete-head", *words)
    assert result.status == 2
    assert message in result.error


def test_the_document(draftlab: Command, run: str) -> None:
    document = draftlab("complete-head", "t", "eagle:h", "copy", "--json").document
    assert document == {"folder": "copy", "rows": 20, "width": 32, "dtype": "float32", "num_tensors": 13}
