"""What an implementation has to offer to be audited: a few lines that turn a prompt into tokens."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from draftlab.errors import DraftlabError
from draftlab.spec import Sampling


@dataclass(frozen=True, slots=True)
class Setting:
    """What is audited. Models are folders or hub ids, as `from_pretrained` of transformers takes them."""

    target: str
    drafter: str | None
    """None where the drafter is no model."""
    gamma: int
    dtype: str
    device: str


class Generate(Protocol):
    """An implementation, ready to run. It may carry an attribute `networks`, a mapping of "target" and "drafter" to
    torch modules: the audit then counts the tokens that pass through them."""

    def __call__(self, prompt: Sequence[int], num_tokens: int, sampling: Sampling, seed: int) -> Sequence[int]:
        """The `num_tokens` tokens that follow `prompt` (fewer where a stop token ended the text)."""
        ...


Adapter = Callable[[Setting], Generate]
"""Loads the models once and returns what generates; called once an audit."""


def load_adapter(reference: str) -> Adapter:
    """The function written as `module:function`. The code of the module is run; the current folder is searched, too."""
    module, _, name = reference.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that nothing there takes the place of a library
    try:
        adapter: Any = getattr(importlib.import_module(module), name)
    except Exception as error:  # its code runs when it is imported, and may fail in any way
        raise DraftlabError(
            f"cannot audit '{reference}': {type(error).__name__}: {error}",
            "Write draftlab, transformers, planted:NAME or module:function.",
        ) from error
    if not callable(adapter):
        raise DraftlabError(f"cannot audit '{reference}': it is no function", "It is called with a Setting.")
    function: Adapter = adapter
    return function
