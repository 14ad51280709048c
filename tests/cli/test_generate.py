"""`draftlab generate` and `draftlab ls` on what every installation has."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from draftlab.drafters import DRAFTERS
from draftlab.engines import ENGINES
from draftlab.models import CATALOGUE
from draftlab.rules import RULES
from draftlab.suites import BUILT_IN
from tests.cli.conftest import Command

TOY = ("generate", "--target", "toy", "--ignore-eos", "--max-new-tokens", "30")


def test_json_has_the_promised_keys_and_they_add_up(draftlab: Command) -> None:
    result = draftlab(*TOY, "--prompt", "abcabc", "--drafter", "model:toy:0.2", "--json")
    assert result.status == 0
    document = result.document
    keys = {"text", "tokens", "num_rounds", "num_drafted", "num_accepted", "stop", "decode_s"}
    assert set(document) == keys | {"prompt", "rounds", "pieces"}
    assert len(document["tokens"]) == 30 == document["num_accepted"] + document["num_rounds"]
    assert document["num_accepted"] <= document["num_drafted"] <= 5 * document["num_rounds"]
    assert document["stop"] == "length"
    assert document["decode_s"] > 0


def test_the_text_goes_to_standard_output_and_the_rest_does_not(draftlab: Command) -> None:
    document = draftlab(*TOY, "--prompt", "abcabc", "--json").document
    shown = draftlab(*TOY, "--prompt", "abcabc")
    assert shown.out == document["text"] + "\n"
    assert "30 tokens" in shown.err
    assert "ended by: length" in shown.err


def test_the_prompt_may_come_from_standard_input(draftlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("abcabc"))
    piped = draftlab(*TOY, "--json").document
    assert piped["tokens"] == draftlab(*TOY, "--prompt", "abcabc", "--json").document["tokens"]


@pytest.mark.parametrize("drafter", ["none", "ngram", "model:toy:0.2"])
@pytest.mark.parametrize("gamma", ["0", "3"])
def test_no_drafter_changes_a_greedy_text(draftlab: Command, drafter: str, gamma: str) -> None:
    plain = draftlab(*TOY, "--prompt", "Once", "--drafter", "none", "--json").document
    drafted = draftlab(*TOY, "--prompt", "Once", "--drafter", drafter, "--gamma", gamma, "--json").document
    assert drafted["tokens"] == plain["tokens"]


def test_a_chat_is_another_prompt(draftlab: Command) -> None:
    plain = draftlab(*TOY, "--prompt", "Once", "--json").document
    chat = draftlab(*TOY, "--prompt", "Once", "--chat", "--json").document
    assert chat["tokens"] != plain["tokens"]  # the toy's template puts a line break behind the prompt


def test_a_text_ends_at_a_stop_string(draftlab: Command) -> None:
    whole = draftlab(*TOY, "--prompt", "Once", "--json").document["text"]
    stop = whole[10:12]
    document = draftlab(*TOY, "--prompt", "Once", "--stop", stop, "--json").document
    assert document["stop"] == "stop_string"
    assert document["text"] == whole[: whole.index(stop) + 2]


@pytest.mark.parametrize("arguments", [["--prompt", ""], ["--prompt", "x", "--gamma", "-1"], ["--drafter", "ngrm"]])
def test_what_cannot_be_decoded_is_told_in_one_line(draftlab: Command, arguments: list[str]) -> None:
    result = draftlab(*TOY, "--prompt", "x", *arguments, "--json")
    assert result.status == 2
    assert result.out == ""
    assert result.error


@pytest.mark.parametrize(
    ("what", "names"),
    [("drafters", DRAFTERS.names()), ("rules", RULES.names()), ("engines", ENGINES.names()),
     ("suites", list(BUILT_IN)), ("models", list(CATALOGUE))],
)  # fmt: skip
def test_ls_lists_every_name_with_a_word_on_it(draftlab: Command, what: str, names: list[str]) -> None:
    result = draftlab("ls", what)
    assert result.status == 0
    listed = {line.split()[0]: line.split()[1:] for line in result.out.splitlines()}
    assert set(names) <= set(listed)
    assert all(listed.values())


def test_ls_says_when_there_is_nothing(draftlab: Command) -> None:
    assert draftlab("ls", "runs").out == "no runs here\n"


def test_a_run_that_cannot_be_read_does_not_hide_the_others(draftlab: Command) -> None:
    for name in ("bad", "good"):
        draftlab("bench", "--target", "toy", "--limit", "1", "--max-new-tokens", "2", "--out", f"runs/{name}")
    Path("runs/bad/manifest.json").write_text("{")
    result = draftlab("ls", "runs")
    assert result.status == 0
    bad, good = result.out.splitlines()
    assert "cannot be read" in bad
    assert "6 traces" in good


def test_the_version_is_printed(draftlab: Command) -> None:
    import draftlab as package

    assert draftlab("--version").out.strip() == package.__version__
