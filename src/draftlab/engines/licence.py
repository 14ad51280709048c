"""Under which licence a model came, where its files say so."""

from __future__ import annotations

import re
from pathlib import Path

from draftlab.models import CATALOGUE, ModelSource

_FRONT = re.compile(r"\A---\n.*?^license:\s*([\w.+-]+)\s*$.*?^---$", re.MULTILINE | re.DOTALL)
_TEXT = re.compile(r"(licen[cs]e|notice|use_policy)(\.(txt|md))?", re.IGNORECASE)


def licence_of(source: ModelSource) -> str | None:
    """From the card beside the weights, or from the catalogue."""
    entry = CATALOGUE.get(source.reference.lower())
    if entry is not None and entry.licence:
        return entry.licence
    card = Path(source.location) / "README.md"
    if source.kind == "folder" and card.is_file():
        found = _FRONT.match(card.read_text(encoding="utf-8", errors="replace"))
        return found[1] if found else None
    return None


def licence_files(source: ModelSource) -> list[Path]:
    """Its texts, where the model is a folder that has them."""
    if source.kind != "folder":
        return []
    return sorted(path for path in Path(source.location).iterdir() if path.is_file() and _TEXT.fullmatch(path.name))
