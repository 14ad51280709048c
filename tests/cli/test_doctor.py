"""`draftlab doctor` on toys, on tiny pairs with weights, and on shapes of published models without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.conftest import Command
from tests.models.saved import save, tiny_tokenizer, words
from tests.models.shapes import save_shape
from tests.models.tiny import tiny_family

KEYS = {
    "schema", "target", "drafter", "context", "checks", "elsewhere", "padded", "timing", "forecast", "not_timed",
    "verdict",
}  # fmt: skip
GIB = 2**30


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the memory of this machine."""

    def have(num_bytes: int) -> None:
        free = psutil.virtual_memory()._replace(available=num_bytes)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: free)

    have(64 * GIB)
    return have


def shapes(folder: Path, target: str, drafter: str, **how: Any) -> tuple[str, ...]:
    one, other = save_shape(target, folder / "target"), save_shape(drafter, folder / "drafter", **how)
    return ("doctor", "--target", str(one), "--drafter", f"model:{other}", "--device", "cpu")


def statuses(document: Any) -> dict[str, str]:
    return {check["name"]: check["status"] for check in document["checks"]}


def outcomes(document: Any) -> list[str]:
    return [line["outcome"] for line in document["elsewhere"]]


@pytest.mark.parametrize("drafter", ["model:toy:0.3", "ngram"])
def test_toys(draftlab: Command, drafter: str) -> None:
    result = draftlab("doctor", "--target", "toy", "--drafter", drafter, "--gamma", "3", "--json")
    document = result.document
    assert result.status == 0
    assert document.keys() == KEYS
    assert set(statuses(document).values()) == {"ok"}
    assert len(document["timing"]["target_s"]) == 4
    assert document["timing"]["draft_per"] == ("draft" if drafter == "ngram" else "token")
    assert [p["acceptance_rate"] for p in document["forecast"]["predictions"]] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    assert all(1 <= p["gamma"] <= 3 for p in document["forecast"]["predictions"])
    assert "pay" in document["verdict"]
    assert document["elsewhere"] == []


def test_a_page_for_the_terminal(draftlab: Command) -> None:
    result = draftlab("doctor", "--target", "toy", "--drafter", "model:toy:0.3")
    assert result.status == 0
    for part in ("ok  tokenizers", "acceptance rate", "best gamma", "verdict: "):
        assert part in result.out


@pytest.mark.usefixtures("memory")
def test_the_shapes_of_qwen(draftlab: Command, tmp_path: Path) -> None:
    result = draftlab(*shapes(tmp_path, "qwen2.5-7b", "qwen2.5-0.5b"), "--json")
    document = result.document
    assert result.status == 0
    notes = [name for name, status in statuses(document).items() if status == "note"]
    assert notes == ["widths", "sizes", "weights"]
    assert outcomes(document) == ["limited", "limited", "refuses", "works"]
    assert document["timing"] is None
    assert "weights" in document["not_timed"]


@pytest.mark.usefixtures("memory")
def test_the_shapes_of_pythia(draftlab: Command, tmp_path: Path) -> None:
    result = draftlab(*shapes(tmp_path, "pythia-12b", "pythia-70m"), "--dtype", "bfloat16")
    assert result.status == 0
    assert "target 50688 rows for 48 token ids, drafter 50304" in result.out
    assert "--write-padded" in result.out
    assert "differ by 384" in result.out


@pytest.mark.usefixtures("memory")
def test_two_different_tokenizers(draftlab: Command, tmp_path: Path) -> None:
    other = tiny_tokenizer(words() | {"w5": 7, "w7": 5})
    result = draftlab(*shapes(tmp_path, "qwen2.5-7b", "qwen2.5-0.5b", tokenizer=other), "--json")
    document = result.document
    assert result.status == 1
    assert statuses(document)["tokenizers"] == "problem"
    assert "id 5 is 'w5' and 'w7'" in document["checks"][0]["found"]
    assert document["verdict"] == "cannot speculate here: tokenizers"


@pytest.mark.usefixtures("memory")
def test_a_mamba_target(draftlab: Command, tmp_path: Path) -> None:
    result = draftlab(*shapes(tmp_path, "mamba-130m", "pythia-70m"), "--json")
    assert result.status == 1
    assert statuses(result.document)["rollback"] == "problem"
    assert outcomes(result.document)[0] == "refuses"


def test_a_pair_too_large_for_memory(draftlab: Command, tmp_path: Path, memory: Any) -> None:
    memory(17 * GIB)
    command = shapes(tmp_path, "qwen2.5-7b", "qwen2.5-0.5b")
    fits = draftlab(*command, "--json").document
    assert statuses(fits)["memory"] == "ok"
    longer = draftlab(*command, "--context", "32768")
    assert longer.status == 1
    assert "too little: 17.2 GiB" in longer.out
    memory(15 * GIB)
    assert draftlab(*command).status == 1


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[str, ...]:
    """A pair of different widths, with weights."""
    family = tiny_family("qwen2")
    one, other = save(family.network, tmp_path / "t"), save(family.drafters["narrower"], tmp_path / "d")
    return ("doctor", "--target", str(one), "--drafter", f"model:{other}", "--device", "cpu")


def test_a_pair_with_weights_is_timed(draftlab: Command, tiny: tuple[str, ...]) -> None:
    document = draftlab(*tiny, "--json").document
    assert len(document["timing"]["target_s"]) == 9
    assert document["timing"]["num_passes"] >= 5
    assert min(document["timing"]["target_s"]) > 0
    untimed = draftlab(*tiny, "--no-timing", "--json").document
    assert (untimed["timing"], untimed["forecast"], untimed["not_timed"]) == (None, None, "not asked for")


def test_prompt_lookup_for_a_real_target(draftlab: Command, tiny: tuple[str, ...]) -> None:
    document = draftlab(*tiny[:3], "--drafter", "ngram", "--gamma", "2", "--json").document
    assert document["timing"]["draft_s"] < document["timing"]["target_s"][0]
    assert outcomes(document) == ["works"] * 4


def test_the_copy_has_no_such_note_any_more(draftlab: Command, tiny: tuple[str, ...], tmp_path: Path) -> None:
    copy = tmp_path / "new" / "padded"
    written = draftlab(*tiny, "--no-timing", "--write-padded", str(copy), "--json").document
    assert written["padded"]["width"] == 60
    assert written["padded"]["equal"] == written["padded"]["num_positions"]
    after = draftlab(*tiny[:3], "--drafter", f"model:{copy}", "--no-timing", "--json").document
    assert statuses(after)["widths"] == "ok"
    assert outcomes(after) == ["works"] * 4


def test_a_name_that_a_terminal_would_obey(draftlab: Command, tmp_path: Path) -> None:
    evil = tiny_tokenizer({word.replace("w5", "\x1b[2J"): i for word, i in words().items()})
    result = draftlab(*shapes(tmp_path, "pythia-70m", "pythia-70m", tokenizer=evil), "--no-timing")
    assert result.status == 1
    assert "\x1b" not in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--drafter", "none"), "cannot examine drafter 'none'"),
        (("--drafter", "model"), "cannot examine drafter 'model'"),
        (("--drafter", "nobody"), "no drafter is called 'nobody'"),
        (("--drafter", "model:nobody"), "no model is called 'nobody'"),
        (("--gamma", "0"), "--gamma cannot be 0"),
        (("--gamma", "1000"), "--gamma cannot be 1000"),
        (("--context", "0"), "--context cannot be 0"),
        (("--dtype", "int3"), "--dtype cannot be int3"),
        (("--device", "nowhere"), "no device called 'nowhere'"),
        (("--write-padded", "x"), "drafter 'ngram' has no weights to copy"),
        (("--drafter", "model:toy:1", "--write-padded", "x"), "a toy has no files"),
    ],
)
def test_bad_input_is_told(draftlab: Command, arguments: tuple[str, ...], message: str) -> None:
    result = draftlab("doctor", "--target", "toy", *arguments)
    assert result.status == 2
    assert message in result.error


def test_lookup_takes_no_argument_and_a_copy_no_other_dtype(draftlab: Command, tmp_path: Path) -> None:
    assert "cannot examine drafter 'ngram:toy'" in draftlab("doctor", "--target", "toy", "--drafter", "ngram:toy").error
    copy = ("--drafter", "model:toy:0.3", "--write-padded", str(tmp_path / "copy"), "--dtype", "float32")
    assert "keeps the drafter's own dtype" in draftlab("doctor", "--target", "toy", *copy).error


def test_a_diagnosis_is_given_although_the_passes_fail(draftlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such kernel\nwith a long story")

    monkeypatch.setattr("draftlab.doctor.run.time_passes", fails)
    result = draftlab("doctor", "--target", "toy", "--drafter", "model:toy:0.3", "--json")
    assert result.status == 0
    assert result.document["not_timed"] == "the passes failed: no such kernel"
    assert result.document["checks"]
