"""The Markdown pages as the tests read them: fenced blocks, and the commands and components in them."""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from draftlab.registry import Entry, Registry

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its fence says, and its lines."""

    language: str
    note: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of `page` in these languages, or all of them."""
    found = [Block(*match.groups()) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [block for block in found if not languages or block.language in languages]


def commands(shell: str) -> list[list[str]]:
    """The `draftlab` commands of a block, one list of words each, without comments; indented lines continue one."""
    lines = re.sub(r" *\\?\n +", " ", shell).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("draftlab ")]


def name(page: Path) -> str:
    """How a test names `page`."""
    return page.relative_to(ROOT).as_posix()


def add_component(page: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Do what `page` says: its first python block becomes a module, its second a line in a table like `registry`."""
    code, line = (block.text for block in blocks(page, "python")[:2])
    added = eval("{" + line + "}", {"Entry": Entry})
    (path,) = (entry.path.partition(":")[0] for entry in added.values())
    module = ModuleType(path)
    monkeypatch.setitem(sys.modules, path, module)
    exec(compile(code, str(page), "exec"), module.__dict__)
    return Registry(registry.kind, {**registry.entries(), **added})
