"""Where a text ends: at the first stop, wherever inside a block it lies, and the token that completes it stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.stopping import Stopping

LETTERS = "_abc"
WORD = st.lists(st.integers(1, 3), max_size=6)
BLOCK = st.lists(st.integers(1, 3), min_size=1, max_size=6)


def spell(tokens: Sequence[int]) -> str:
    return "".join(LETTERS[token] for token in tokens)


def test_without_stops_a_block_stays_whole() -> None:
    assert Stopping().cut([1, 2], [3, 0]) == ([3, 0], None)


@pytest.mark.parametrize(
    ("block", "kept"),
    [([0], [0]), ([0, 1, 2], [0]), ([1, 0, 2], [1, 0]), ([1, 2, 0], [1, 2, 0]), ([1, 9, 0], [1, 9]), ([0, 0], [0])],
)
def test_a_block_is_cut_behind_its_first_stop_token(block: list[int], kept: list[int]) -> None:
    assert Stopping(frozenset({0, 9})).cut([1], block) == (kept, "stop_token")


def test_a_stop_token_before_the_block_is_past() -> None:
    assert Stopping(frozenset({0})).cut([0, 0], [1, 2]) == ([1, 2], None)


@pytest.mark.parametrize(
    ("text", "block", "kept"),
    [([], [1, 2, 3], [1, 2]), ([3, 1], [2, 3], [2]), ([], [3, 3, 1, 2], [3, 3, 1, 2]), ([1], [1, 2, 1, 2], [1, 2])],
)
def test_a_block_is_cut_where_a_stop_string_is_complete(text: list[int], block: list[int], kept: list[int]) -> None:
    assert Stopping(strings=("ab",), decode=spell).cut(text, block) == (kept, "stop_string")


def test_a_stop_string_may_begin_and_end_inside_tokens() -> None:
    pieces = ["", "so x", "y far", "end"]
    stopping = Stopping(strings=("xy",), decode=lambda tokens: "".join(pieces[t] for t in tokens))
    assert stopping.cut([1], [2, 3]) == ([2], "stop_string")
    assert stopping.cut([], [1, 3]) == ([1, 3], None)


def test_the_stop_that_comes_first_counts() -> None:
    stopping = Stopping(frozenset({3}), ("ab",), spell)
    assert stopping.cut([], [1, 2, 3]) == ([1, 2], "stop_string")
    assert stopping.cut([], [3, 1, 2]) == ([3], "stop_token")
    assert stopping.cut([1], [3, 2]) == ([3], "stop_token")


def test_a_token_that_is_both_is_a_stop_token() -> None:
    assert Stopping(frozenset({2}), ("ab",), spell).cut([], [1, 2, 1]) == ([1, 2], "stop_token")


@given(WORD, BLOCK, st.frozensets(st.integers(1, 3), max_size=2), st.lists(st.sampled_from(["a", "ab", "cc", "cab"])))
def test_a_block_is_cut_exactly_where_its_tokens_one_by_one_would_have_stopped(
    text: list[int], block: list[int], tokens: frozenset[int], strings: list[str]
) -> None:
    if any(string in spell(text) for string in strings):
        return  # such a text has ended already
    expected, reason = block, None
    for i, token in enumerate(block, 1):
        if token in tokens:
            expected, reason = block[:i], "stop_token"
            break
        if any(string in spell([*text, *block[:i]]) for string in strings):
            expected, reason = block[:i], "stop_string"
            break
    kept, why = Stopping(tokens, tuple(strings), spell).cut(text, block)
    assert (list(kept), why) == (expected, reason)
