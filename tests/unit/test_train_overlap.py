"""No prompt of a built-in suite is learned from."""

from __future__ import annotations

import pytest

from draftlab.suites import Suite, load_suite
from draftlab.train import overlap
from draftlab.train.overlap import WINDOW, Forbidden, suite_digest
from draftlab.train.texts import texts_of


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_every_prompt_of_every_suite_is_recognised() -> None:
    forbidden = Forbidden(letters)
    for name in ("notebook", "code", "prose"):
        for prompt in load_suite(name).prompts:
            text = prompt.prompt or (prompt.messages or ())[-1]["content"]
            assert forbidden.occurs_in(letters("something else before " + text[: 3 * WINDOW]))


def test_other_text_is_not() -> None:
    assert not Forbidden(letters).occurs_in(letters("qzx vjk wqy xzj qqk zzv jxq kvz wwq"))


def test_a_suite_given_as_data_is_left_out_altogether() -> None:
    forbidden = Forbidden(letters)
    assert all(forbidden.occurs_in(letters(text.text)) for text in texts_of(["code"]))


def test_windows_that_are_shared_are_counted() -> None:
    forbidden = Forbidden(letters)
    text = next(iter(load_suite("code").prompts)).prompt
    assert text is not None and len(text) > 2 * WINDOW
    planted = letters("qzx vjk wqy xzj" + text[: WINDOW + 2] + "qqk zzv jxq")
    assert forbidden.shared(planted) >= 3
    assert forbidden.shared(letters("qzx vjk wqy xzj qqk zzv jxq kvz wwq")) == 0
    assert set(forbidden.finding(3)["suites"]) >= {"notebook", "code", "prose"}


def test_a_suite_that_changes_has_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = suite_digest("code")
    assert suite_digest("code") == before
    first, *others = load_suite("code").prompts
    told = ({"role": "user", "content": f"{first.prompt}?"},)
    for change in ({"prompt": f"{first.prompt} "}, {"prompt": None, "messages": told}, None):
        changed = [first.model_copy(update=change)] if change else []
        monkeypatch.setattr(overlap, "load_suite", lambda _, now=changed: Suite("code", (*now, *others)))
        assert suite_digest("code") != before
