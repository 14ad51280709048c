"""Servers that are started for a run, as those who measure on them see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

ServerName = Literal["plain", "speculative"]


class Address(NamedTuple):
    """Where a server is."""

    url: str
    start: int = 0
    """Which start of a server it is; a server that is started again is another one, at the same address, too."""


@dataclass(frozen=True)
class Started:
    """Servers that are started for this run, and as what."""

    open: Callable[[ServerName], Address]
    """Has that server up, and says where."""
    in_turn: bool
    """Only one of them is up at a time: to open one is to end the other."""
    engine: str
    target: str
    """What both serve."""
    drafter: str
    gamma: int
    facts: Mapping[ServerName, Mapping[str, Any]]
    """Of each: its command, with the port left open, and what else it was started with."""
    requests: Mapping[str, Any] = field(default_factory=dict)
    """What every request says besides."""
