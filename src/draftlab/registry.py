"""Names for components: a table of lazy "module:attribute" strings, open to other packages through entry points."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from draftlab.errors import DraftlabError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a component lives and what it is, readable without importing it."""

    path: str
    summary: str


class Registry:
    """Components of one kind by name. Nothing is imported before it is asked for."""

    def __init__(self, kind: str, table: Mapping[str, Entry]) -> None:
        self.kind = kind
        self._table = dict(table)

    def entries(self) -> dict[str, Entry]:
        """Built-in entries, then those that installed packages offer in the group `draftlab.<kind>s`."""
        found = dict(self._table)
        for point in entry_points(group=f"draftlab.{self.kind}s"):
            origin = point.dist.name if point.dist else "another package"
            # A plug-in adds names; it never changes what a built-in name means.
            found.setdefault(point.name, Entry(point.value, f"from {origin}"))
        return found

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted(self.entries())

    def load(self, name: str) -> Any:
        """Import and return the component called `name`."""
        entry = self.entries().get(name)
        if entry is None:
            raise UnknownNameError(self.kind, name, self.names())
        module, _, attribute = entry.path.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # what another package raises while it is imported can be anything
            reason = f"{type(error).__name__}: {error}"
            raise DraftlabError(f"{self.kind} '{name}' cannot be imported from {entry.path}: {reason}") from error
