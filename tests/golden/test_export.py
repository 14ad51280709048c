"""What each engine is given, word for word: the files beside this one were read through before they were kept."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from draftlab.errors import DraftlabError
from draftlab.export.exporters import EXPORTERS, exporter
from draftlab.export.plan import Assistant, Head, Lookup, Model, Plan, Written
from draftlab.spec import Sampling

HERE = Path(__file__).parent / "export"
TARGET, DRAFTER = Model("Qwen/Qwen2.5-7B-Instruct", on_hub=True), Model("./my drafts/qwen2.5-0.5b-152064")
HEAD = Model("./my heads/qwen2.5-7b-complete")
GREEDY, WARM = Sampling(), Sampling(temperature=0.7, top_p=0.9)
PLANS = {
    "plain": Plan(TARGET, None, 0, GREEDY),
    "model": Plan(TARGET, Assistant(DRAFTER), 5, GREEDY),
    "sampled": Plan(
        TARGET, Assistant(DRAFTER, stop_confidence=0.4), 4, WARM, "block", "bfloat16", trust_remote_code=True
    ),
    "ngram": Plan(TARGET, Lookup(max_ngram=3, min_ngram=2), 5, GREEDY),
    "files": Plan(Model("a/t.gguf"), Assistant(Model("d.gguf")), 3, GREEDY),
    "head": Plan(TARGET, Head(HEAD, layers=(2, 14, 28)), 4, GREEDY),
    "sampled head": Plan(TARGET, Head(HEAD), 4, WARM),
}


def shown(written: Written) -> str:
    notes = "".join(f"# {note}\n" for note in written.notes)
    return f"{notes}{written.text}\n"


def told(engine: str, plan: Plan) -> str:
    try:
        return shown(EXPORTERS[engine].write(plan))
    except DraftlabError as error:
        return f"refused: {error}. {error.hint}\n"


@pytest.mark.parametrize("engine", EXPORTERS)
def test_word_for_word(engine: str) -> None:
    found = "\n".join(f"## {name}\n{told(engine, plan)}" for name, plan in PLANS.items())
    assert found == (HERE / f"{engine}.txt").read_text(encoding="utf-8")


def speculation(plan: Plan) -> dict[str, Any]:
    words = shlex.split(EXPORTERS["vllm"].write(plan).text.replace("\\\n", " "))
    found: dict[str, Any] = json.loads(words[words.index("--speculative-config") + 1])
    return found


def test_a_shell_reads_every_command_as_it_was_meant() -> None:
    assert speculation(PLANS["model"])["model"] == DRAFTER.name
    for engine in ("vllm", "sglang", "llama.cpp"):
        hostile = Plan(Model("-x; rm $(id) 'q'"), Lookup(3, 1), 5, GREEDY)
        words = shlex.split(EXPORTERS[engine].write(hostile).text.replace("\\\n", " "))
        assert words[2 if engine != "sglang" else 4].startswith("./-x; rm $(id) 'q'")


def test_measured_acceptance_is_played_back() -> None:
    plan = Plan(TARGET, Assistant(DRAFTER), 3, GREEDY, "block", synthetic=(0.9, 0.7, 0.5))
    config = speculation(plan)
    assert config["rejection_sample_method"] == "synthetic"
    assert config["synthetic_acceptance_rates"] == [0.9, 0.7, 0.5]
    assert "the text is worthless" in " ".join(EXPORTERS["vllm"].write(plan).notes)


def test_yaml_reads_what_was_meant() -> None:
    plan = Plan(TARGET, Assistant(Model('./a: "b" #c')), 3, GREEDY)
    document = yaml.safe_load(EXPORTERS["trtllm"].write(plan).text)
    assert document == {
        "speculative_config": {
            "decoding_type": "Draft_Target",
            "max_draft_len": 3,
            "speculative_model": './a: "b" #c',
        }
    }
    head = yaml.safe_load(EXPORTERS["trtllm"].write(PLANS["head"]).text)["speculative_config"]
    assert head["eagle3_layers_to_capture"] == [1, 13, 27] and head["speculative_model"] == HEAD.name
    lookup = yaml.safe_load(EXPORTERS["trtllm"].write(PLANS["ngram"]).text)["speculative_config"]
    assert lookup["is_use_oldest"] is False and lookup["max_matching_ngram_size"] == 3


def test_a_width_that_no_copy_can_mend() -> None:
    plan = Plan(TARGET, Assistant(DRAFTER), 3, WARM, unequal=True)
    assert speculation(plan)["use_heterogeneous_vocab"] is True
    assert "draft_sample_method" not in speculation(plan)
    assert "drafts are greedy" in " ".join(EXPORTERS["vllm"].write(plan).notes)
    assert "assistant_tokenizer=tokenizer" in EXPORTERS["transformers"].write(plan).text
    for engine in ("sglang", "trtllm"):
        assert any(note.startswith("REFUSED: ") for note in EXPORTERS[engine].write(plan).notes)


@pytest.mark.parametrize(
    ("target", "drafter", "files"),
    [
        ("a/Model", "b/model", ["model.gguf", "model-draft.gguf"]),
        ("a/Model", "./model.gguf", ["model-target.gguf", "./model.gguf"]),
        ("m.gguf", "m", ["m.gguf", "m-draft.gguf"]),
        ("a/model", "a/model", ["model.gguf", "model.gguf"]),
    ],
)
def test_two_models_never_share_a_file(target: str, drafter: str, files: list[str]) -> None:
    written = EXPORTERS["llama.cpp"].write(Plan(Model(target), Assistant(Model(drafter)), 3, GREEDY))
    words = shlex.split(written.text.replace("\\\n", " "))
    assert [words[words.index(flag) + 1] for flag in ("-m", "-md")] == files
    made = [shlex.split(note)[4] for note in written.notes if note.startswith("$ ")]
    assert made == [file for name, file in dict(zip((target, drafter), files, strict=True)).items() if name != file]


def test_a_conversion_can_be_pasted() -> None:
    plan = Plan(Model("-my model"), None, 0, GREEDY, dtype="float32")
    (said,) = [note for note in EXPORTERS["llama.cpp"].write(plan).notes if note.startswith("$ ")]
    outfile = ["--outfile", "./-my model.gguf", "--outtype", "f32"]
    assert shlex.split(said)[1:] == ["convert_hf_to_gguf.py", "./-my model", *outfile]


@pytest.mark.parametrize(
    ("lookup", "gamma", "differs"), [(Lookup(3, 3), 5, False), (Lookup(5, 5), 3, True), (Lookup(3, 1), 3, True)]
)
def test_one_fixed_length_of_matches(lookup: Lookup, gamma: int, differs: bool) -> None:
    notes = EXPORTERS["llama.cpp"].write(Plan(TARGET, lookup, gamma, GREEDY)).notes
    assert any("matches exactly 3 tokens" in note for note in notes) == differs


@pytest.mark.parametrize("plan", [name for name, plan in PLANS.items() if not isinstance(plan.drafter, Head)])
def test_scripts_are_python(plan: str) -> None:
    compile(EXPORTERS["transformers"].write(PLANS[plan]).text, plan, "exec")


def test_an_engine_that_nobody_knows() -> None:
    with pytest.raises(DraftlabError, match=r"no engine to export to is called 'vlm'.*"):
        exporter("vlm")
