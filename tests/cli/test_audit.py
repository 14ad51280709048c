"""`draftlab audit` on the toy: draftlab passes, every planted bug of the law fails, and bad input is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.testing.planted import PLANTED
from tests.cli.conftest import Command

TOY = ("audit", "--target", "toy", "--drafter", "model:toy:0.5", "--seed", "1")
QUICK = (*TOY, "--samples", "1500", "--prompts", "1", "--controls", "residual_from_p")
BROKEN = [name for name, bug in PLANTED.items() if bug.breaks == "law"]
WASTEFUL = [name for name, bug in PLANTED.items() if bug.breaks == "cost"]

ADAPTERS = '''
from draftlab.engines.toy import ToyModel

def plain(setting):
    """The target alone, sampled by hand."""
    import numpy as np
    from draftlab.testing.oracle import next_token_law
    model = ToyModel(97, scale=4.0)

    def generate(prompt, num_tokens, sampling, seed):
        rng, text = np.random.default_rng(seed), list(prompt)
        for _ in range(num_tokens):
            model.reset()
            law = next_token_law(model.forward(text)[-1].tolist(), text, sampling)
            text.append(int(rng.choice(len(law), p=law)))
        return text[len(prompt):]
    return generate

def constant(setting):
    return lambda prompt, num_tokens, sampling, seed: [5] * num_tokens

number = 7
'''


def test_draftlab_is_lossless_and_the_power_is_stated(draftlab: Command) -> None:
    result = draftlab(*QUICK, "--json", "--controls", "residual_from_p,argmax_with_soft_q,equal_coins")
    document = result.document
    assert result.status == 0
    assert document["greedy"]["identical"] == document["greedy"]["compared"] == 8
    assert len(document["tests"]) >= 5
    assert all(test["p_value"] > document["level"] for test in document["tests"])
    assert len(document["controls"]) == 3 and all(control["rejected"] for control in document["controls"])
    assert 0.05 < document["detects"] < 0.15
    assert document["num_samples"] == 1500


@pytest.mark.parametrize("rule", ["block", "coupled"])
def test_so_are_the_other_lossless_rules(draftlab: Command, rule: str) -> None:
    assert draftlab(*QUICK, "--rule", rule).status == 0


def test_a_lossy_rule_is_not(draftlab: Command) -> None:
    assert draftlab(*QUICK, "--rule", "typical").status == 1


@pytest.mark.parametrize("name", BROKEN)
def test_every_planted_bug_of_the_law_fails(draftlab: Command, name: str) -> None:
    # Two of them show only where warping does something to the residual.
    result = draftlab(*QUICK, "--of", f"planted:{name}", "--temperature", "1.5", "--samples", "4000", "--controls", "")
    assert result.status == 1
    assert "NOT LOSSLESS" in result.out


@pytest.mark.parametrize("name", WASTEFUL)
def test_a_bug_that_costs_passes_is_shown_by_its_cost(draftlab: Command, name: str) -> None:
    document = draftlab(*QUICK, "--of", f"planted:{name}", "--samples", "300", "--json").document
    cost, own = document["greedy"]["cost"], document["greedy"]["own_cost"]
    assert cost["target"] >= own["target"]
    if name == "stale_draft_cache":
        assert cost["target"] > own["target"]


def test_an_adapter_of_a_few_lines_is_audited(
    draftlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("adapters_of_mine.py").write_text(ADAPTERS)
    folder = ("--drafter", "ngram", "--controls", "residual_from_p", "--samples", "1000", "--prompts", "1")
    refused = draftlab("audit", "--target", "toy", *folder, "--of", "adapters_of_mine:plain")
    assert refused.status == 2
    assert "--of draftlab only" in refused.error


def test_the_samples_are_kept_and_used_again(draftlab: Command, tmp_path: Path) -> None:
    command = (*QUICK, "--out", str(tmp_path / "kept"), "--json")
    first = draftlab(*command)
    lines = (tmp_path / "kept" / "samples.jsonl").read_text()
    again = draftlab(*command)
    assert (tmp_path / "kept" / "samples.jsonl").read_text() == lines
    assert again.document["tests"] == first.document["tests"]


def test_greedy_alone(draftlab: Command) -> None:
    result = draftlab(*TOY, "--temperature", "0")
    assert result.status == 0
    assert "lossless when greedy" in result.out


def test_with_nothing_to_reject_there_is_no_verdict(draftlab: Command) -> None:
    """A drafter that is never wrong hides every bug: the controls are not found, and that is said."""
    result = draftlab("audit", "--target", "toy", "--drafter", "model:toy", "--samples", "300", "--prompts", "1")
    assert result.status == 1
    assert "UNDECIDED" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--of", "nobody"), "no implementation is called 'nobody'"),
        (("--of", "planted:nothing"), "no planted bug is called 'nothing'"),
        (("--of", "no_such_module:f"), "cannot audit 'no_such_module:f'"),
        (("--tv", "2"), "--tv cannot be 2"),
        (("--samples", "3"), "At least 100 samples"),
        (("--gamma", "-1"), "--gamma cannot be -1"),
        (("--controls", "nothing"), "no planted bug is called 'nothing'"),
    ],
)
def test_bad_input_is_told(draftlab: Command, arguments: tuple[str, ...], message: str) -> None:
    result = draftlab(*TOY, *arguments)
    assert result.status == 2
    assert message in result.error
