"""What each token of a text is called, piece by piece."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from draftlab.report.token_classes import token_classes


def classes(*pieces: str, code: bool) -> list[str]:
    return list(token_classes(tuple(piece.encode() for piece in pieces), code=code))


def pieces(text: str) -> list[str]:
    """A text in tokens of at most four letters, cut as tokenizers cut: a space belongs to what follows."""
    return re.findall(r" ?\w{1,4}|\s+| ?[^\w\s]+", text)


PROGRAM = 'def total(a, b_c=1.5):\n    """Adds 3."""\n    # don\'t\n    return a and "x y" or None\n'


def test_a_program() -> None:
    cut = pieces(PROGRAM)
    found = dict(zip(cut, classes(*cut, code=True), strict=True))
    expected = {
        "def": "keyword", "retu": "keyword", "rn": "keyword", " and": "keyword",
        " tota": "identifier", "l": "identifier", "a": "identifier", " b_c": "identifier",
        "x": "literal", " y": "literal", " None": "literal",
        "1": "number", "5": "number", " 3": "number",
        "Adds": "word", " don": "word", "t": "word",
        "(": "punctuation", "=": "punctuation", "):": "punctuation", "#": "punctuation",
        "\n    ": "indentation", "\n": "indentation",
    }  # fmt: skip
    assert {piece: found[piece] for piece in expected} == expected


def test_prose() -> None:
    cut = ["The", " b", "ill", " of", " 1", ",", "299", " €", ",", " isn", "'", "t", " 3rd", ".", "\n\n", " if"]
    assert classes(*cut, code=False) == [
        "word", "word", "word", "word", "number", "number", "number", "punctuation", "punctuation",
        "word", "word", "word", "word", "punctuation", "indentation", "word",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (" return", "keyword"),
        (").\n", "punctuation"),
        ("\n    x", "identifier"),
        ("\t\t", "indentation"),
        ("", "punctuation"),
    ],
)
def test_a_token_that_holds_several_things_is_what_comes_first(token: str, expected: str) -> None:
    program = ["def f():\n    pass\n    ", token, "\n"]
    assert classes(*program, code=True)[1] == expected


def test_a_piece_is_what_the_whole_is_also_where_the_text_goes_on() -> None:
    assert classes("x = 1\n", "re", "turn", code=True)[1] == "keyword"
    assert classes("x = 1\n", "re", "turned", code=True)[1] == "identifier"


@pytest.mark.parametrize(
    ("start", "language"),
    [('def f():\n    """', "python"), ("#include <a.h>\n/* ", "c"), ("def f():\n    '''", "python")],
)
def test_a_comment_that_the_text_ends_in_is_prose(start: str, language: str) -> None:
    assert classes(start, "Merge", " if", " 2", code=True)[1:] == ["word", "word", "number"], language


def test_code_between_fences_in_prose() -> None:
    found = classes("Use", " if:\n```python\n", "if", " x", ":\n```\n", "if", code=False)
    assert found == ["word", "word", "keyword", "identifier", "punctuation", "word"]


def test_a_program_ends_at_a_bare_fence() -> None:
    assert classes("if", " x:\n    pass\n", "```\n", "\nif", code=True) == [
        "keyword",
        "identifier",
        "punctuation",
        "word",
    ]


def test_a_character_spread_over_tokens_is_one() -> None:
    assert token_classes((b"Caf\xc3", b"\xa9", b" \xf0\x9f", b"\x98\x80"), code=False) == (
        "word", "word", "punctuation", "punctuation",
    )  # fmt: skip


@given(st.lists(st.binary(max_size=6), max_size=8), st.booleans())
def test_any_bytes_have_a_class_each(tokens: list[bytes], code: bool) -> None:
    assert len(token_classes(tuple(tokens), code=code)) == len(tokens)
