"""Files of tensors that cannot be written or read, said in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from draftlab.errors import DraftlabError


@contextmanager
def file_system_errors() -> Iterator[None]:
    """Raise the OSError that safetensors tells of in a kind of error of its own, such as that of a full disk."""
    try:
        yield
    except SafetensorError as error:
        code = re.search(r"\(os error (\d+)\)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1]))) from error


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Refuse the file that is read here where it is damaged."""
    try:
        yield
    except SafetensorError as error:
        hint = "Remove it, then pass --resume: the run goes on without what it held."
        raise DraftlabError(f"{path} is damaged", hint) from error
