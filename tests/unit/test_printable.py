"""Whatever a model writes, a terminal obeys none of it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.report.printable import printable, printable_line

OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("over\rwritten", "over␍written"),
        ("back\x08space", "back␈space"),
        ("\x00\x7f", "␀␡"),
        ("\x9b2J", "�2J"),  # the one-byte form of ESC [
        ("a\u202eb\u202c", "a�b�"),  # right-to-left override
        ("a\u2066b\u2069", "a�b�"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("text", ["a\n\tb", "naïve café", "中文 עברית", "😀👩‍💻", "[bold]no markup[/bold]", ""])
def test_text_stays_what_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text())
def test_no_control_character_but_line_breaks_and_tabs_is_left(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    for character in shown:
        assert unicodedata.category(character) != "Cc" or character in "\n\t"
        assert unicodedata.bidirectional(character) not in OVERRIDES


@given(st.text())
def test_what_is_printable_stays_so(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(st.text())
def test_a_name_stays_on_its_line(text: str) -> None:
    shown = printable_line(text)
    assert len(shown) == len(text)
    assert not {"\n", "\t", "\r", "\u2028", "\u2029"} & set(shown)
    assert printable_line(printable(text)) == shown
