"""A lock that dies with its process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from draftlab.errors import BusyError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold `path` for this process alone; raise at once if another has it."""
    with path.open("w") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(
                    f"another process is writing to {path.parent}", "Wait until it has ended, or use another --out."
                ) from error
        yield
