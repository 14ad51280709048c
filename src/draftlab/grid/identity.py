"""What makes two cells the same: the code that decodes, the prompts, and the models' files."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from draftlab.drafters import DRAFTERS
from draftlab.drafters.reference import parse_drafter
from draftlab.errors import DraftlabError
from draftlab.models import resolve
from draftlab.rules import RULES

_END = 2**20
"""So many bytes from the beginning and the end of a file of weights: training changes all of them."""


def key_of(content: Mapping[str, Any]) -> str:
    """A hash of settings in one order."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@cache
def code_hash() -> str:
    """Of draftlab's own source: a cell that other code has decoded is not this one."""
    root = Path(__file__).parents[1]
    return _hash_files(sorted(root.rglob("*.py")), root)


@cache
def component_hash(kind: str, name: str) -> str | None:
    """Of the file that a drafter or rule of another package is in; None of draftlab's own."""
    entry = {"drafter": DRAFTERS, "rule": RULES}[kind].entries().get(name)
    module = entry.path.partition(":")[0] if entry else "draftlab"
    if module.split(".")[0] == "draftlab":
        return None
    spec = importlib.util.find_spec(module)
    file = Path(spec.origin) if spec and spec.origin else None
    return _hash_files([file], file.parent) if file and file.is_file() else None


@cache
def model_hash(reference: str) -> str:
    """Of a model's files where they are here; of a hub's model its id."""
    source = resolve(reference)
    path = Path(source.location)
    if source.kind == "gguf":
        return _hash_ends([path])
    if source.kind == "folder":
        return _hash_ends(sorted(file for file in path.iterdir() if file.is_file()))
    return f"{source.kind}:{source.location}"


def models_of(drafter: str) -> Iterator[str]:
    """The models that a drafter's reference names."""
    reference = parse_drafter(drafter)
    if reference.name == "lookup" and reference.argument:
        yield from models_of(reference.argument)
    elif reference.name in ("model", "eagle"):
        if not reference.argument:
            raise DraftlabError(f"the drafter '{drafter}' names no model", f"Write {reference.name}:NAME.")
        yield reference.argument


def components_of(drafter: str) -> Iterator[str]:
    """The names of the drafters in a reference."""
    reference = parse_drafter(drafter)
    yield reference.name
    if reference.name == "lookup" and reference.argument:
        yield from components_of(reference.argument)


def _hash_files(files: Iterable[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _hash_ends(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as content:
            digest.update(content.read(_END))
            content.seek(max(0, size - _END))
            digest.update(content.read(_END))
    return digest.hexdigest()[:16]
