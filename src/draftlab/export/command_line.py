"""Words to a command that can be pasted into a shell."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

Words = tuple[str, ...]


def command(*groups: Words) -> str:
    """One command; each group of words gets a line of its own, and every word is quoted where it has to be."""
    return " \\\n  ".join(shlex.join(group) for group in groups if group)


def file_name(name: str) -> str:
    """A path or hub id that no program takes for one of its flags."""
    return f"./{name}" if name.startswith("-") else name


def flags(pairs: Sequence[tuple[str, str | int | float | None]]) -> list[Words]:
    """`--name value` for each value that is given."""
    return [
        (name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in pairs if value is not None
    ]
