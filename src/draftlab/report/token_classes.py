"""What kind of thing each token of a text is: indentation, keyword, identifier, literal, punctuation, word or number.

The whole text is read, so that a piece of a word is what the word is. A token has the class of its first character that
is no white space: " return" is a keyword, ").\\n" is punctuation. `docs/glossary.md` defines the classes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, Literal, get_args

from pygments.lexer import Lexer
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, Text, Token
from pygments.token import Literal as AnyLiteral

from draftlab.report.languages import parts

TokenClass = Literal["indentation", "keyword", "identifier", "literal", "number", "word", "punctuation", "end"]
CLASSES: tuple[TokenClass, ...] = get_args(TokenClass)

# The first kind that a lexer's token belongs to decides; prose is read by `_words`.
_PROSE = "prose"
_KINDS: tuple[tuple[Any, str], ...] = (
    (Comment.PreprocFile, "literal"),
    (Comment.Preproc, "keyword"),
    (Comment, _PROSE),
    (String.Doc, _PROSE),
    (Text, _PROSE),
    (Generic, _PROSE),
    (Keyword.Constant, "literal"),
    (Keyword, "keyword"),
    (Operator.Word, "keyword"),
    (Name, "identifier"),
    (Number, "number"),
    (AnyLiteral.Date, "number"),
    (AnyLiteral, "literal"),
    (Token, "punctuation"),
)
# What a text was cut off in: a lexer sees a comment or a docstring only where it ends.
_CLOSING = "*/\"\"\"'''"
# 1,299.50 is one number, and "don't" one word: their pieces are a number's and a word's.
_RUN = re.compile(r"(?P<number>\d(?:[\d.,]*\d)?(?!\w))|(?P<word>\w+(?:['’]\w+)*)")


@lru_cache(maxsize=1024)  # in greedy decoding all drafters of a run share a text, and `all` repeats every category
def token_classes(tokens: tuple[bytes, ...], *, code: bool) -> tuple[TokenClass, ...]:
    """The class of each of the tokens that make up a text; a token without bytes is punctuation.

    `code` says that the text is a program where it has no fences.
    """
    whole = b"".join(tokens)
    # A byte that belongs to no character, as in a text that was cut off, becomes a character of its own.
    text = whole.decode("utf-8", "surrogateescape")
    of_characters = _character_classes(text, code)
    of_bytes = [
        (found, character.isspace())
        for character, found in zip(text, of_characters, strict=True)
        for _ in range(len(character.encode("utf-8", "surrogateescape")))
    ]
    ends = accumulate(map(len, tokens))
    return tuple(_first(of_bytes[end - len(token) : end]) for token, end in zip(tokens, ends, strict=True))


def _first(classes: Sequence[tuple[TokenClass, bool]]) -> TokenClass:
    if not classes:
        return "punctuation"
    return next((found for found, is_space in classes if not is_space), "indentation")


def _character_classes(text: str, code: bool) -> list[TokenClass]:
    found: list[TokenClass] = ["punctuation"] * len(text)
    for part in parts(text, code=code):
        piece = text[part.start : part.end]
        found[part.start : part.end] = _words(piece) if part.lexer is None else _lexed(piece, part.lexer)
    return found


def _lexed(text: str, lexer: Lexer) -> list[TokenClass]:
    """A program, character by character."""
    found: list[TokenClass] = ["punctuation"] * len(text)
    for start, kind, value in lexer.get_tokens_unprocessed(text + _CLOSING):
        value = value[: max(0, len(text) - start)]
        name = next(name for family, name in _KINDS if kind in family)
        if name == _PROSE:
            found[start : start + len(value)] = _words(value)
        elif name == "identifier":  # some lexers count the quotes of a key, or the @ of a decorator, to the name
            found[start : start + len(value)] = ["identifier" if _names(c) else "punctuation" for c in value]
        else:
            found[start : start + len(value)] = [_CLASS[name]] * len(value)
    return found


def _words(text: str) -> list[TokenClass]:
    """Prose, character by character."""
    found: list[TokenClass] = ["punctuation"] * len(text)
    for run in _RUN.finditer(text):
        name: TokenClass = "word" if run.lastgroup == "word" else "number"
        found[run.start() : run.end()] = [name] * len(run[0])
    return found


def _names(character: str) -> bool:
    return character.isalnum() or character in "_$-"


_CLASS: dict[str, TokenClass] = {name: name for name in CLASSES}
