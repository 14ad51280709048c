"""Who wants to know how far a training run is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Work in several steps, each of so many parts."""

    def say(self, text: str) -> None:
        """One line of news."""
        ...

    def begins(self, what: str, total: int) -> None:
        """A step begins."""
        ...

    def advances(self, by: int = 1) -> None:
        """Parts of it are done."""
        ...


class Silent:
    """Tells nobody."""

    def say(self, text: str) -> None:
        pass

    def begins(self, what: str, total: int) -> None:
        pass

    def advances(self, by: int = 1) -> None:
        pass
