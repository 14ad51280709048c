"""What a page shows of a token's bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.report.html.spelling import Speller, mark, plain, spell


def spelled(*tokens: bytes) -> list[str]:
    speller = Speller()
    return [plain(speller.push(token)) for token in tokens]


def test_a_character_stands_at_the_token_that_completes_it() -> None:
    assert spelled(b"a\xe2", b"\x80", b"\x94b") == ["a⟨e2⟩", "⟨80⟩", "—b"]
    assert spelled(b"\xe2\x80", b"\x94") == ["⟨e2 80⟩", "—"]


def test_an_emoji_over_three_tokens() -> None:
    assert spelled(b"\xf0\x9f", b"\x91", b"\x8d!") == ["⟨f0 9f⟩", "⟨91⟩", "👍!"]


def test_bytes_that_never_become_a_character_are_marked_once() -> None:
    assert spelled(b"\xe2\x80", b"x") == ["⟨e2 80⟩", "x"]
    assert spelled(b"a\xffb") == ["a⟨ff⟩b"]


def test_a_draft_that_is_not_kept_leaves_no_trace() -> None:
    speller = Speller()
    speller.push(b"\xe2\x80")
    assert plain(speller.fork().push(b"\x9c")) == "“"
    assert plain(speller.push(b"\x94")) == "—"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "␛[31m"),
        ("\x00\x7f", "␀␡"),
        ("\x9b", "⟨U+009B⟩"),
        ("\r\n", "␍\n"),
        ("\u202eabc\u2066", "⟨RLO⟩abc⟨LRI⟩"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("\u2028", "⟨U+2028⟩"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("مرحبا", "مرحبا"),
    ],
)  # fmt: skip
def test_what_has_no_shape_is_marked(text: str, shown: str) -> None:
    assert plain(spell(text)) == shown


def test_marks_are_told_from_text_that_looks_like_them() -> None:
    assert spell("␛") == ("␛",)
    assert spell("a\x1bb") == ("a", "␛", "b")
    assert mark("<end>") == ("", "<end>", "")


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])), st.integers(1, 5))
def test_no_character_is_lost_wherever_tokens_part(text: str, width: int) -> None:
    data = text.encode()
    speller = Speller()
    tokens = [speller.push(data[at : at + width]) for at in range(0, len(data), width)]
    assert "".join("".join(pieces[::2]) for pieces in tokens) == text


@given(st.lists(st.binary(max_size=4)))
def test_any_bytes_can_be_shown(tokens: list[bytes]) -> None:
    shown = "".join(spelled(*tokens))
    assert shown == plain(spell(shown)), "nothing is left that would have to be marked"
