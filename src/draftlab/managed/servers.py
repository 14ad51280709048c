"""The servers of a run, each started when it is first asked for; where they take turns, the others are ended before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from draftlab.errors import DraftlabError
from draftlab.serving.started import Address, ServerName

Start = Callable[[ServerName], AbstractContextManager[str]]


class Servers:
    """All of them end with the block."""

    def __init__(self, start: Start, *, in_turn: bool) -> None:
        self._start = start
        self._in_turn = in_turn
        self._running = ExitStack()
        self._up: dict[ServerName, Address] = {}
        self._starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def open(self, name: ServerName) -> Address:
        """Have the server up; where it is."""
        if name not in self._up:
            if self._in_turn:
                self._end()
            self._starts += 1
            self._up[name] = Address(self._begin(name), self._starts)
        return self._up[name]

    def _begin(self, name: ServerName) -> str:
        try:
            return self._running.enter_context(self._start(name))
        except DraftlabError as error:
            if not self._up:
                raise
            hint = f"{error.hint or ''} Does memory hold both? If not, try --servers in-turn.".strip()
            raise DraftlabError(str(error), hint) from error

    def _end(self) -> None:
        self._up.clear()
        self._running.close()
