"""Under which licence a model came, where its files say so."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from draftlab.models import CATALOGUE, ModelSource

_FRONT = re.compile(r"\A---\n.*?^license:\s*([\w.+-]+)\s*$.*?^---$", re.MULTILINE | re.DOTALL)
_TEXT = re.compile(r"(licen[cs]e|notice|use_policy)(\.(txt|md))?", re.IGNORECASE)


def licence_of(source: ModelSource) -> str | None:
    """From the catalogue, by its name there or its hub id, or from the card beside the weights."""
    for name, entry in CATALOGUE.items():
        named = source.reference.lower() == name
        if entry.licence and (named or (source.kind == "hub" and source.location.lower() == entry.hub_id.lower())):
            return entry.licence
    folder = _folder(source)
    if folder is None or not (folder / "README.md").is_file():
        return None
    found = _FRONT.match((folder / "README.md").read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None


def licence_files(source: ModelSource) -> list[Path]:
    """Its texts, where they lie beside the model's other files."""
    folder = _folder(source)
    if folder is None:
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and _TEXT.fullmatch(path.name))


def _folder(source: ModelSource) -> Path | None:
    """Where its files lie; of a hub model those that were downloaded."""
    if source.kind == "folder":
        return Path(source.location)
    if source.kind == "hub":
        cached = try_to_load_from_cache(source.location, "config.json")
        return Path(cached).parent if isinstance(cached, str) else None
    return None
