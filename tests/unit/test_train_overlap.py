"""No prompt of a built-in suite is learned from."""

from __future__ import annotations

from draftlab.suites import load_suite
from draftlab.train.overlap import WINDOW, Forbidden
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
