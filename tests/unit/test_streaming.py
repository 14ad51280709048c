"""Text while it arrives: the pieces add up to the whole, and none is half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.streaming import TextStream, pieces

Decode = Callable[[Sequence[int]], str]


def by_byte(tokens: Sequence[int]) -> str:
    """A tokenizer whose tokens are bytes: a character may take four of them."""
    return bytes(tokens).decode("utf-8", errors="replace")


WORDS = ["▁Once", "▁upon", "a", "▁", "▁time", "<s>", "é", "\n"]


def by_word(tokens: Sequence[int]) -> str:
    """As SentencePiece decodes: no space before the first word, and special tokens are left out."""
    text = "".join(WORDS[token] for token in tokens if WORDS[token] != "<s>").replace("▁", " ")
    return text.removeprefix(" ")


def stream(decode: Decode, tokens: Sequence[int]) -> list[str]:
    text = TextStream(decode)
    return [*(text.push(token) for token in tokens), text.flush()]


def test_a_character_of_several_tokens_comes_with_its_last() -> None:
    assert stream(by_byte, "aé€😀".encode()) == ["a", "", "é", "", "", "€", "", "", "", "😀", ""]


def test_an_unfinished_character_comes_out_at_the_end() -> None:
    assert stream(by_byte, "a€".encode()[:-1]) == ["a", "", "", "�"]


def test_a_byte_that_belongs_to_no_character_comes_with_the_next_letter() -> None:
    assert stream(by_byte, b"a\xffb") == ["a", "", "�b", ""]


def test_a_space_that_is_written_only_between_words_is_kept() -> None:
    assert stream(by_word, [0, 1, 2, 4]) == ["Once", " upon", "a", " time", ""]


def test_a_special_token_does_not_swallow_the_next_words_space() -> None:
    assert "".join(stream(by_word, [0, 5, 1, 5, 5, 4])) == "Once upon time"


def test_nothing_pushed_is_nothing_left() -> None:
    assert TextStream(by_byte).flush() == ""


@given(st.text(st.characters(codec="utf-8")))
def test_no_piece_of_a_valid_text_holds_half_a_character(text: str) -> None:
    pieces = stream(by_byte, text.encode())
    assert "".join(pieces) == text
    assert all("�" not in piece for piece in pieces) or "�" in text


@given(st.binary(max_size=40))
def test_pieces_of_any_bytes_add_up_to_the_whole(content: bytes) -> None:
    assert "".join(stream(by_byte, content)) == by_byte(content)


@given(st.lists(st.integers(0, len(WORDS) - 1)))
def test_pieces_of_any_words_add_up_to_the_whole(tokens: list[int]) -> None:
    assert "".join(stream(by_word, tokens)) == by_word(tokens)


@pytest.mark.parametrize("num_tokens", [10, 300])
def test_a_long_text_is_not_decoded_again_from_its_beginning(num_tokens: int) -> None:
    longest = 0

    def watched(tokens: Sequence[int]) -> str:
        nonlocal longest
        longest = max(longest, len(tokens))
        return by_byte(tokens)

    stream(watched, b"x" * num_tokens)
    assert longest <= 2


@given(st.text())
def test_pieces_are_one_per_token_and_add_up_to_the_text(text: str) -> None:
    tokens = list(text.encode())
    found = pieces(by_byte, tokens)
    assert len(found) == len(tokens)
    assert "".join(found) == text


def test_what_is_unfinished_at_the_end_belongs_to_the_last_token() -> None:
    assert pieces(by_byte, list("a€".encode()[:-1])) == ["a", "", "�"]
