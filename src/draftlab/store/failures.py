"""What a file system refuses, said in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from draftlab.errors import DraftlabError


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn an OSError into a DraftlabError; what was written stays."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DraftlabError(
                f"no space left to write to {folder}; what is complete is kept",
                "Free some space, then pass --resume.",
            ) from error
        raise DraftlabError(
            f"cannot write to {folder}: {error.strerror}", "Choose another folder with --out."
        ) from error


def first_line(error: Exception) -> str:
    """The shortest useful account of an error."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).splitlines()[0]
