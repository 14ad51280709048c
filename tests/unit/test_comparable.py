"""What forbids a comparison, and what is only worth a note; each named with both values."""

from __future__ import annotations

from typing import Any

import pytest

from draftlab.records import PromptRecord, RunManifest
from draftlab.report.comparable import differences, notes, shared_prompts
from draftlab.spec import Sampling
from tests.unit.handmade import manifest, prompt

TARGET = {"source": "./m", "dtype": "bfloat16", "device": "cpu", "fixed_rows": None, "files": {"w": "aa"}}
MACHINE = {"cpu": "Epyc", "threads": 2, "gpus": [], "packages": {"torch": "2.6", "draftlab": "0.1", "numpy": "2.0"}}


def run(**changes: Any) -> RunManifest:
    return manifest(**({"target": TARGET, "environment": MACHINE, "drafters": {"d": {"files": {"w": "bb"}}}} | changes))


def changed(**changes: Any) -> tuple[PromptRecord, PromptRecord]:
    """The two prompts of a handmade run, the first with changes."""
    return prompt("a").model_copy(update=changes), prompt("b", "prose")


REFUSED = [
    ({"prompts": (prompt("a", "code"),)}, "other prompts (1 only in the reference, 0 only here)"),
    (
        {"prompts": (prompt("a", "code"), prompt("c")), "suites": {"yours": "1"}},
        "other prompts (1 only in the reference, 1 only here; suites 'mine' against 'yours')",
    ),
    ({"prompts": changed(prompt="y")}, "other words in 1 prompt (a, for one)"),
    (
        {"prompts": changed(num_tokens=2)},
        "other tokens for the same words in 1 prompt (a, for one)",
    ),
    (
        {"prompts": changed(max_new_tokens=9)},
        "other max new tokens in 1 prompt (a: 8 against 9)",
    ),
    (
        {"prompts": (prompt("a", "code"), prompt("b", "mail"))},
        "other category of 1 prompt (b: prose against mail)",
    ),
    ({"target": {**TARGET, "files": {"w": "cc"}}}, "other target (./m with other weights)"),
    ({"target": {**TARGET, "source": "./n", "files": {}}}, "other target (./m against ./n)"),
    ({"target": {**TARGET, "dtype": "float32"}}, "dtype of the target bfloat16 against float32"),
    ({"target": {**TARGET, "fixed_rows": 6}}, "exact mode, rows of a pass none against 6"),
    ({"sampling": Sampling(temperature=0.7)}, "temperature 0 against 0.7"),
    ({"sampling": Sampling(top_k=4)}, "top k 0 against 4"),
    ({"stop_tokens": ()}, "stop tokens 0 against none"),
    ({"stop_strings": ("\n",)}, r"stop strings none against '\n'"),
]  # fmt: skip
NOTED = [
    ({"environment": {**MACHINE, "cpu": "Xeon"}}, "other machine (processor Epyc against Xeon): tokens per second"),
    ({"environment": {**MACHINE, "threads": 4}}, "other machine (threads 2 against 4)"),
    ({"environment": {**MACHINE, "gpus": ["H200"]}}, "other machine (GPUs none against 'H200')"),
    ({"target": {**TARGET, "device": "cuda"}}, "other machine (device cpu against cuda)"),
    ({"environment": {**MACHINE, "packages": {"torch": "2.7"}}}, "other software (draftlab 0.1 against none; torch"),
    ({"target": {**TARGET, "linear": "packed"}}, "form of the target's weights none against packed"),
    ({"drafters": {"d": {"files": {"w": "zz"}}}}, "the model of drafter d has other weights"),
    ({"repetitions": 3}, "repetitions 1 against 3"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_forbids_a_comparison(changes: dict[str, Any], reason: str) -> None:
    assert differences(run(), run(**changes)) == [reason]
    assert notes(run(), run(**changes)) == []


@pytest.mark.parametrize(("changes", "reason"), NOTED, ids=[reason for _, reason in NOTED])
def test_what_is_worth_a_note(changes: dict[str, Any], reason: str) -> None:
    assert differences(run(), run(**changes)) == []
    (found,) = notes(run(), run(**changes))
    assert found.startswith(reason)


def test_equal_runs_have_nothing_to_say() -> None:
    assert differences(run(), run()) == notes(run(), run()) == []


def test_every_reason_is_named() -> None:
    other = run(prompts=(prompt("z"),), target={**TARGET, "dtype": "float32"}, stop_tokens=(), stop_strings=("x",))
    assert len(differences(run(), other)) == 4


@pytest.mark.parametrize("known", [{"files": {"w": "aa"}}, {"files": {}, "revision": "abc"}], ids=["files", "revision"])
def test_the_same_weights_may_lie_in_another_folder(known: dict[str, Any]) -> None:
    here, there = ({**TARGET, **known, "source": source} for source in ("./m", "/data/m"))
    assert differences(run(target=here), run(target=there)) == []


def test_another_seed_matters_only_where_texts_are_sampled() -> None:
    hot = Sampling(temperature=1.0)
    assert notes(run(seed=1), run(seed=2)) == []
    assert notes(run(seed=1, sampling=hot), run(seed=2, sampling=hot)) == ["seed 1 against 2"]


def test_an_old_manifest_that_says_little_is_no_obstacle() -> None:
    assert differences(manifest(), manifest()) == notes(manifest(), manifest()) == []


def test_shared_prompts_are_those_of_the_same_words_in_the_references_order() -> None:
    reference = run(prompts=(prompt("a"), prompt("b"), prompt("c")))
    other = run(prompts=(prompt("c"), prompt("b").model_copy(update={"prompt": "y"}), prompt("a", "mail")))
    assert [(p.id, p.category) for p in shared_prompts(reference, other)] == [("a", "code"), ("c", "code")]
