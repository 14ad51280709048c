"""Which parts of a text are a program, and in which language, so that its tokens can be called by what they are.

`pygments.lexers.guess_lexer` names the language of half of the prompts of `code`; the lines below know nearly all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from draftlab.records import PromptRecord

_CODE_CATEGORY = re.compile(r"cod(e|ing)|program|humaneval|mbpp", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+#.-]*)[^\n`]*$", re.MULTILINE)

# Lines that hardly another language has. A language that is not here is read as Python, whose names, strings and
# numbers are most languages' own.
_LINES = {
    "python": r"(async )?def \w+\(|class \w+(\([\w., =]*\))?:$|from [\w.]+ import |import [\w.]+( as \w+)?$|elif .*:$"
    r"|(if|for|while|with|try|else)\b.*:$|@\w|return\b[^;{\n]*$|self\.\w+ .*[^;{]$",
    "javascript": r"(export )?(const|let|var) \w+ =|(export |async )*function\b.*\{$|\}\);?$|.*=> \{$|.*require\(",
    "typescript": r"(export )?interface \w+|(private|readonly|public) \w+\??:|(export )?type \w+.*=|.*\w\??: "
    r"(string|number|boolean|void|T)\b.*[;{]$|(import|export) .* from [\"'].*[\"'];?$",
    "java": r"(public|private|protected|static|final)\b.*[;{]$|package [\w.]+;|import [\w.*]+;|@Override"
    r"|(String|Integer|Optional|List)\b.*;$|new \w+\(|class \w+ \{$|\w+\.\w+\(.*\);$|if \(.*\{$|\} else \{$",
    "go": r"package \w+$|func\b.*\{$|.*:= |type \w+ (struct|interface) \{",
    "rust": r"(pub |async )*(fn|struct|enum|impl|trait|mod)\b.*[{;]?$|let (mut )?\w+.*[;{]$|use [\w:]+.*;|#!?\[\w+",
    "c": r"#(include|define|ifdef|ifndef|endif)\b|(static |const |unsigned )*(char|int|size_t|void)\b[^:\n]*[;{)]$",
    "cpp": r"(std|template)\b.*|using namespace|.*\bstd::|(public|private|protected):$|class \w+.*\{$",
    "docker": r"(FROM|RUN|COPY|ENV|WORKDIR|ENTRYPOINT|CMD|EXPOSE|USER|HEALTHCHECK) .*",
    "sql": r"(SELECT|CREATE|INSERT|UPDATE|DELETE|WITH|FROM|WHERE|JOIN|LEFT JOIN|GROUP BY|ORDER BY|DECLARE|BEGIN|END"
    r"|RETURN|ALTER|UNION)\b",
    "bash": r"#!.*sh$|set -\w|\w+\(\) \{$|(fi|done|esac)\b|.*; (then|do)$|(local|echo|printf|export) |.*\$\{",
    "haskell": r"module \w.* where$|import qualified |\w+ :: |.* <- |data \w+ =",
    "html": r"<!?/?[a-zA-Z][^>]*>|.*</\w+>$",
    "yaml": r"(- )?[\w-]+:( [^{}(),;\n]*)?$",
    "json": r"\"[^\"]*\": .*",
}
_KNOWN = {name: re.compile(rf"^[ \t]*({lines})", re.MULTILINE) for name, lines in _LINES.items()}
_UNKNOWN = "python"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text, in one language."""

    start: int
    end: int
    lexer: Lexer | None
    """None for prose."""


def is_code(prompt: PromptRecord) -> bool:
    """Whether a prompt is a program to be continued. The author of a suite says so by its category; a chat is prose."""
    return prompt.messages is None and _CODE_CATEGORY.match(prompt.category) is not None


def parts(text: str, *, code: bool) -> Iterator[Part]:
    """A text in its languages. What stands between fences (```) is code, whatever the text is.

    `code` says that the rest is, too; where there are fences, it is not: programs have none. A program that meets a
    bare fence ends there: a model closes what it believes to have opened, and goes on in prose.
    """
    fences = list(_FENCE.finditer(text))
    if not fences:
        yield Part(0, len(text), lexer_for(text) if code else None)
        return
    start = 0
    inside: str | None = "" if code and not fences[0][1] else None
    for fence in fences:
        yield _part(text, start, fence.start(), inside)
        yield Part(fence.start(), fence.end(), None)
        inside = fence[1] if inside is None else None
        start = fence.end()
    yield _part(text, start, len(text), inside)


def _part(text: str, start: int, end: int, language: str | None) -> Part:
    return Part(start, end, None if language is None else lexer_for(text[start:end], language))


def lexer_for(text: str, language: str = "") -> Lexer:
    """The lexer of a language that is named, or that more lines speak for; late lines more than early ones.

    A prompt may hold a program that is to be translated: what is written is what stands at its end.
    """
    try:
        return get_lexer_by_name(language or _guess(text))
    except ClassNotFound:
        return get_lexer_by_name(_guess(text))


def _guess(text: str) -> str:
    votes = {name: sum(1 + found.start() for found in lines.finditer(text)) for name, lines in _KNOWN.items()}
    best = max(votes, key=lambda name: votes[name])
    return best if votes[best] else _UNKNOWN
