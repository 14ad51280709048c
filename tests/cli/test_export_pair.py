"""A pair of two widths taken to transformers: the padded copy is made as told, and the script decodes with it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers

from draftlab.doctor.facts import Facts
from tests.cli.conftest import Command
from tests.models.saved import save
from tests.models.tiny import tiny_family


@pytest.fixture
def run(draftlab: Command, tmp_path: Path) -> str:
    """The folder of a run with target `t` of 60 rows and drafter `d` of 56."""
    family = tiny_family("llama")
    save(family.network, tmp_path / "t")
    save(family.drafters["narrower"], tmp_path / "d")
    prompts = [{"id": f"p{i}", "category": "words", "prompt": f"w{i} w7 w9"} for i in range(2, 4)]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    flags = ("--gamma", "3", "--max-new-tokens", "6", "--device", "cpu", "--no-control", "--phases", "0")
    made = draftlab("bench", "--target", "t", "-d", "model:d", "--suite", "words.jsonl", *flags, "--out", "run")
    assert made.status == 0, made.err
    return "run"


def exported(draftlab: Command, run: str, engine: str) -> Any:
    return draftlab("export", run, "--to", engine, "--arm", "model:d gamma=3", "--json").document


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "transformers"])
def test_engines_that_compare_widths_get_a_copy(draftlab: Command, run: str, engine: str) -> None:
    document = exported(draftlab, run, engine)
    assert document["before"] == ["draftlab pad-drafter t d ./d-60"]
    assert "./d-60" in document["text"]
    assert not any("REFUSED" in note or "limited" in note for note in document["notes"])


def test_llama_cpp_takes_such_a_gap(draftlab: Command, run: str) -> None:
    document = exported(draftlab, run, "llama.cpp")
    assert document["before"] == []
    assert any("128 are allowed" in note for note in document["notes"])


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm", "transformers"])
def test_a_drafter_that_no_copy_can_mend(
    draftlab: Command, run: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "num_tokens", 61)  # more than the target has rows
    document = exported(draftlab, run, engine)
    assert document["before"] == []
    said = " ".join(document["notes"])
    assert "no padded copy can mend that" in said and "A padded drafter works" not in said
    assert ("REFUSED" in said) == (engine in ("sglang", "trtllm"))


def test_a_copy_is_loaded_as_the_run_loaded(draftlab: Command, run: str) -> None:
    file = Path(run) / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["experiment"] |= {"trust_remote_code": True, "allow_pickle": True}
    file.write_text(json.dumps(manifest))
    document = exported(draftlab, run, "vllm")
    assert document["before"] == ["draftlab pad-drafter t d ./d-60 --trust-remote-code --allow-pickle"]


def test_the_script_decodes_with_the_copy_that_the_command_before_it_writes(
    draftlab: Command, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = exported(draftlab, run, "transformers")
    (before,) = (shlex.split(line) for line in document["before"])
    padded = draftlab(*before[1:], "--json")
    assert padded.status == 0
    assert (padded.document["width_before"], padded.document["width"]) == (56, 60)
    again = draftlab(*before[1:])
    assert again.status == 2 and "is there already" in again.error
    assisted = []
    generate = transformers.GenerationMixin._assisted_decoding

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        assisted.append(named.get("assistant_model") or True)
        return generate(self, *arguments, **named)

    monkeypatch.setattr(transformers.GenerationMixin, "_assisted_decoding", counted)
    monkeypatch.setattr(sys, "argv", ["script"])
    script: dict[str, Any] = {"__name__": "script"}
    exec(compile(document["text"], "script", "exec"), script)
    assert script["drafter"].config.vocab_size == 60
    text = script["generate"]("w2 w7 w9", max_new_tokens=6)
    assert assisted
    network, tokenizer = script["target"], script["tokenizer"]
    inputs = tokenizer("w2 w7 w9", return_tensors="pt", return_token_type_ids=False)
    plain = network.generate(**inputs, max_new_tokens=6, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert text == tokenizer.decode(plain, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("toy", "toy:0.3", "x"), "a toy has no files"),
        (("t", "t", "x"), "nothing is to be padded"),
        (("t", "nobody", "x"), "no model is called 'nobody'"),
    ],
)
def test_what_cannot_be_padded(draftlab: Command, run: str, words: tuple[str, ...], message: str) -> None:
    result = draftlab("pad-drafter", *words)
    assert result.status == 2
    assert message in result.error


def test_a_copy_is_told_in_one_line(draftlab: Command, run: str) -> None:
    result = draftlab("pad-drafter", "t", "model:d", "copy")
    assert result.status == 0
    assert result.out.startswith("written: copy, padded from 56 to 60 rows")
