"""`draftlab audit` on the toy: draftlab passes, planted bugs of the law fail, adapters are run, bad input is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch import Tensor

from draftlab.distributions import odds, proposal
from draftlab.engines.toy import ToyModel
from draftlab.testing import planted
from draftlab.testing.planted import PLANTED, PlantedBug, TokenRule
from draftlab.types import Distributions, Draft, Rng, Verdict
from tests.cli.conftest import Command

TOY = ("audit", "--target", "toy", "--drafter", "model:toy:0.5", "--seed", "1")
QUICK = (*TOY, "--samples", "1500", "--prompts", "1", "--controls", "residual_from_p")
BROKEN = [name for name, bug in PLANTED.items() if bug.breaks == "law"]

ADAPTERS = '''
import numpy as np
import torch

from draftlab.engines.toy import ToyModel
from draftlab.errors import UnsupportedError
from draftlab.testing.oracle import next_token_law


def plain(setting):
    """The target alone, sampled by hand."""
    model = ToyModel(97, scale=4.0)

    def generate(prompt, num_tokens, sampling, seed):
        rng, start = np.random.default_rng(seed), len(prompt)
        for _ in range(num_tokens):
            model.reset()
            law = np.array(next_token_law(model.forward(prompt)[-1].tolist(), prompt, sampling))
            prompt.append(int(rng.choice(len(law), p=law / law.sum())))
        return torch.tensor(prompt[start:])

    return generate


def too_hot(setting):
    honest = plain(setting)
    return lambda prompt, num_tokens, sampling, seed: honest(
        prompt, num_tokens, sampling.model_copy(update={"temperature": 1.3 * sampling.temperature}), seed
    )


def crashing(setting):
    return lambda prompt, num_tokens, sampling, seed: 1 // 0


def none(setting):
    return lambda prompt, num_tokens, sampling, seed: None


def foreign_token(setting):
    return lambda prompt, num_tokens, sampling, seed: [97]


def not_greedy(setting):
    honest = plain(setting)

    def generate(prompt, num_tokens, sampling, seed):
        if not sampling.temperature:
            raise UnsupportedError("greedy is not offered")
        return honest(prompt, num_tokens, sampling, seed)

    return generate


def crashing_and_hot(setting):
    hot = too_hot(setting)
    return lambda prompt, num_tokens, sampling, seed: (
        hot(prompt, num_tokens, sampling, seed) if sampling.temperature else 1 // 0
    )


def unloadable(setting):
    raise RuntimeError("no such model")


number = 7
'''


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "audited_here", raising=False)  # that of another test
    Path("audited_here.py").write_text(ADAPTERS)
    Path("broken_here.py").write_text("def f(:")


def test_draftlab_is_lossless_and_the_power_is_stated(draftlab: Command) -> None:
    result = draftlab(*QUICK, "--controls", "residual_from_p,argmax_with_soft_q,equal_coins", "--json")
    document = result.document
    assert result.status == 0
    assert document["verdict"] == "lossless" and not document["accusations"]
    assert document["greedy"]["identical"] == document["greedy"]["compared"] == 8
    assert {test["what"] for test in document["tests"]} >= {"1", "1-2", "1-3", "1-4"}
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
    flags = ("--temperature", "1.5", "--samples", "4000", "--controls", "")
    result = draftlab(*QUICK, *flags, "--of", f"planted:{name}")
    assert result.status == 1
    assert "NOT LOSSLESS" in result.out


class _WrongAtTheEnd(TokenRule):
    """Draws the correction from p, but only in place of the last token of a full draft of three."""

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        q = proposal(draft)
        for i, ratio in enumerate(odds(draft, p)):
            if not rng.accept(min(1.0, ratio), i):
                return Verdict(range(i), rng.draw(p[i] if i == 2 else p[i].minus(q[i]), "target", i))
        end = len(draft.tokens)
        return Verdict(range(end), rng.draw(p[end], "target", end))


def test_a_bug_in_the_last_place_of_a_full_draft_is_found(draftlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    late = PlantedBug("late", "none", False, "law", planted._rule(_WrongAtTheEnd))
    monkeypatch.setitem(PLANTED, "late", late)  # type: ignore[arg-type]
    assert draftlab(*QUICK, "--of", "planted:late", "--gamma", "3", "--samples", "4000").status == 1


def test_a_draft_cache_that_lags_is_shown_by_its_cost(draftlab: Command) -> None:
    document = draftlab(*QUICK, "--of", "planted:stale_draft_cache", "--samples", "300", "--json").document
    assert document["greedy"]["cost"]["target"] > document["greedy"]["own_cost"]["target"]
    assert document["waste"] > 1


def test_a_fault_of_the_engine_shows_in_greedy_texts(draftlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a pass over several tokens are wrong: plain decoding never sees them, and no memory may hide it."""
    honest = ToyModel.forward

    def faulty(self: ToyModel, tokens: list[int], num_rows: int | None = None) -> Tensor:
        rows = honest(self, tokens, num_rows)
        return rows.flip(-1) if 2 <= len(tokens) <= 4 and not self.variation else rows

    monkeypatch.setattr(ToyModel, "forward", faulty)
    result = draftlab(*TOY, "--temperature", "0")
    assert result.status == 1
    assert "8 real" in result.out


@pytest.mark.usefixtures("adapters")
def test_an_adapter_that_is_right_passes(draftlab: Command) -> None:
    result = draftlab(*QUICK, "--of", "audited_here:plain", "--json")
    assert result.status == 0
    assert result.document["verdict"] == "lossless"
    assert result.document["greedy"]["cost"]["target"] is None


@pytest.mark.usefixtures("adapters")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("too_hot", "NOT LOSSLESS"),
        ("crashing_and_hot", "NOT LOSSLESS, and it failed (greedy texts: ZeroDivisionError"),
        ("crashing", "FAILED (greedy texts: ZeroDivisionError"),
        ("none", "FAILED (greedy texts: TypeError"),
        ("foreign_token", "token 97, which the target does not have"),
    ],
)
def test_one_that_is_wrong_does_not(draftlab: Command, name: str, said: str) -> None:
    result = draftlab(*QUICK, "--of", f"audited_here:{name}")
    assert result.status == 1
    assert said in result.out.replace("\n", " ")


@pytest.mark.usefixtures("adapters")
def test_what_is_not_offered_is_not_passed(draftlab: Command) -> None:
    sampled = draftlab(*QUICK, "--of", "audited_here:not_greedy", "--json")
    assert sampled.document["greedy"]["refused"] == "greedy is not offered"
    greedy = draftlab(*TOY, "--of", "audited_here:not_greedy", "--temperature", "0")
    assert greedy.status == 1
    assert "UNDECIDED" in greedy.out


@pytest.mark.usefixtures("adapters")
def test_the_samples_are_kept_and_used_again(draftlab: Command, tmp_path: Path) -> None:
    command = (*QUICK, "--out", str(tmp_path / "kept"), "--json", "--of", "audited_here:plain")
    first = draftlab(*command)
    lines = (tmp_path / "kept" / "samples.jsonl").read_text()
    assert draftlab(*command).document["tests"] == first.document["tests"]
    assert (tmp_path / "kept" / "samples.jsonl").read_text() == lines
    assert draftlab(*command, "--samples", "700").document["num_samples"] == 700
    Path("audited_here.py").write_text(ADAPTERS + "\n")
    assert "another audit" in draftlab(*command).error


def test_greedy_alone(draftlab: Command) -> None:
    result = draftlab(*TOY, "--temperature", "0")
    assert result.status == 0
    assert "lossless when greedy" in result.out


def test_with_nothing_to_reject_there_is_no_verdict(draftlab: Command) -> None:
    """A drafter that is never wrong hides every bug of the residual: the control is not found, and that is said."""
    result = draftlab("audit", "--target", "toy", "--drafter", "model:toy", "--samples", "300", "--prompts", "1")
    assert result.status == 1
    assert "UNDECIDED" in result.out


@pytest.mark.usefixtures("adapters")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--of", "nobody"), "no implementation is called 'nobody'"),
        (("--of", "planted:nothing"), "no planted bug is called 'nothing'"),
        (("--of", "no_such_module:f"), "cannot audit 'no_such_module:f'"),
        (("--of", "broken_here:f"), "cannot audit 'broken_here:f': SyntaxError"),
        (("--of", ":f"), "cannot audit ':f'"),
        (("--of", "audited_here:number"), "it is no function"),
        (("--of", "audited_here:unloadable"), "RuntimeError: no such model"),
        (("--tv", "2"), "--tv cannot be 2"),
        (("--tv", "0.00001"), "makes no sense"),
        (("--power", "0.01", "--level", "0.5"), "Raise --power"),
        (("--samples", "0"), "an audit of 0 samples"),
        (("--prompts", "0"), "--prompts cannot be 0"),
        (("--gamma", "0"), "--gamma cannot be 0"),
        (("--drafter", "none"), "nothing is drafted"),
        (("--controls", "nothing"), "no planted bug is called 'nothing'"),
        (("--controls", "stale_draft_cache"), "it is no control"),
        (("--drafter", "ngram", "--controls", "raw_q"), "a drafter that is a model only"),
        (("--temperature", "0", "--controls", "raw_q"), "the temperature is 0"),
    ],
)
def test_bad_input_is_told(draftlab: Command, arguments: tuple[str, ...], message: str) -> None:
    result = draftlab(*TOY, *arguments)
    assert result.status == 2
    assert message in result.error
