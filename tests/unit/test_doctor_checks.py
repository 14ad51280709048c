"""Each check of the doctor: a sound pair passes, each fault alone is named with a remedy."""

from __future__ import annotations

from typing import Any

import pytest

from draftlab.doctor.behaviour import check_behaviour
from draftlab.doctor.facts import CacheLayer, Facts
from draftlab.doctor.findings import Check
from draftlab.doctor.machine import check_machine
from draftlab.doctor.vocabulary import check_vocabularies
from tests.unit.patients import SOUND, patient

SMALL = {"num_parameters": 100, "num_layers": 2}


def examined(target: Facts, drafter: Facts | None, context: int = 1024, device: str = "cpu") -> dict[str, Check]:
    checks = [
        *check_vocabularies(target, drafter),
        *check_behaviour(target, drafter, context),
        *check_machine(target, drafter, context, device),
    ]
    found = {check.name: check for check in checks}
    assert len(found) == len(checks)
    for check in checks:
        assert check.found
        assert (check.remedy is None) == (check.status == "ok")
    return found


@pytest.mark.parametrize("drafter", [patient(**SMALL), None], ids=["model", "ngram"])
def test_a_sound_pair(drafter: Facts | None) -> None:
    assert {check.status for check in examined(SOUND, drafter).values()} == {"ok"}


@pytest.mark.parametrize(
    ("target", "drafter", "name", "status", "words"),
    [
        ({}, {"words": {5: "x", 7: "y"}}, "tokenizers", "problem", "2 of 10 shared ids"),
        ({}, {"words": {5: "x", 7: "y"}}, "tokenizers", "problem", "id 5 is 'w5' and 'x'"),
        ({}, {"words": {1: "<stop>"}}, "special tokens", "note", "id 1 is '<end>' and '<stop>'"),
        ({"settings": {}}, {}, "stop tokens", "note", "names none"),
        ({}, {"settings": {"eos_token_id": [1, 3]}}, "stop tokens", "note", "1 (<end>), 3 (w3)"),
        ({"chat_template": "a", "end_of_text": 4}, {}, "stop tokens", "note", "ends a text with 4 (w4)"),
        ({"chat_template": "a"}, {}, "chat template", "note", "only the target"),
        ({"chat_template": "a"}, {"chat_template": "b"}, "chat template", "note", "they differ"),
        ({}, {"width": 20}, "widths", "note", "target 16 rows for 12 token ids, drafter 20 for 12"),
        ({"width": 11}, {}, "widths", "note", "ids up to 11"),
        ({"recurrent": True}, {}, "rollback", "problem", "SoundForCausalLM"),
        ({}, {"recurrent": True}, "rollback", "problem", "cannot be taken back"),
        ({"cache": (CacheLayer(1, 512), CacheLayer(1, None))}, {}, "sliding windows", "note", "512 tokens"),
        ({"context_length": 512}, {}, "context", "problem", "1024 were asked for"),
        ({}, {"context_length": 512}, "context", "note", "from token 512 on"),
        ({"settings": {"eos_token_id": [1], "repetition_penalty": 1.05}}, {}, "generation config", "note", "1.05"),
        ({"settings": {"eos_token_id": [1], "top_k": 20}}, {}, "generation config", "note", "top_k 20 (when sampling)"),
        ({"settings": {"eos_token_id": [1], "ignored": ["num_beams"]}}, {}, "generation config", "note", "num_beams"),
        ({}, {"num_parameters": 1000}, "sizes", "note", "100.0%"),
        ({}, {"num_layers": 9}, "sizes", "note", "90% of the layers"),
        ({"weights": "missing"}, {}, "weights", "note", "not here: sound"),
        ({"weights": "pickled"}, {}, "weights", "problem", "only pickled"),
        ({}, {"dtype": "float32"}, "dtype", "note", "target bfloat16, drafter float32"),
        ({"dtype": "float16"}, {"dtype": "float16"}, "dtype", "note", "slow on a CPU"),
        ({"weight_bytes": 2**50}, {}, "memory", "problem", "too little: 1048576.0 GiB"),
        ({"cache": (CacheLayer(2**40, None),)}, {}, "memory", "problem", "0 + 1048576.0"),
    ],
)  # fmt: skip
def test_one_fault(target: dict[str, Any], drafter: dict[str, Any], name: str, status: str, words: str) -> None:
    check = examined(patient(**target), patient(**(SMALL | drafter)))[name]
    assert check.status == status
    assert words in check.found


def test_no_padded_copy_is_offered_where_it_helps_nothing() -> None:
    wide = SMALL | {"width": 20}
    assert "--write-padded" in str(examined(SOUND, patient(**wide))["widths"].remedy)
    assert "--write-padded" not in str(examined(SOUND, patient({5: "x"}, **wide))["widths"].remedy)
    longer = patient({i: f"w{i}" for i in range(12, 18)}, **wide)
    assert "--write-padded" not in str(examined(SOUND, longer)["widths"].remedy)


def test_a_window_bounds_the_memory_of_its_layer() -> None:
    model = patient(cache=(CacheLayer(10, 512), CacheLayer(10, None)), weight_bytes=7)
    assert model.bytes_at(100) == 7 + 2000
    assert model.bytes_at(1000) == 7 + 5120 + 10000
