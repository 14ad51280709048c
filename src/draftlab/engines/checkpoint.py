"""What can be told of a checkpoint's files before anything is loaded from them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from draftlab.errors import DraftlabError

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def require_config(folder: Path) -> None:
    """Raise unless `folder` says what model it holds."""
    if not (folder / "config.json").is_file():
        raise DraftlabError(f"{folder} is no model folder: it has no config.json", "Give the folder of a saved model.")


def require_weights(folder: Path, allow_pickle: bool) -> None:
    """Raise unless `folder` holds weights in a format that is safe to load, complete to the last byte."""
    files = sorted(folder.glob("*.safetensors"))
    pickled = _pickled(folder)
    if not files and pickled and not allow_pickle:
        raise DraftlabError(
            f"{folder} has only pickled weights ({pickled[0].name}), which can run code when they are loaded",
            "Convert them to safetensors, or pass --allow-pickle if you trust their author.",
        )
    if not files and not pickled:
        raise DraftlabError(
            f"{folder} has no weights", "There should be *.safetensors files in it; was it downloaded in full?"
        )
    for path in files:
        _require_whole(path)


def weight_files(folder: Path) -> list[Path]:
    """The files that a model is read from: safetensors, or pickled ones where there is nothing else."""
    return sorted(folder.glob("*.safetensors")) or _pickled(folder)


def require_gguf(path: Path) -> None:
    """Raise unless `path` starts like a GGUF file."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise DraftlabError(f"{path} is no GGUF file", "Is the download complete and in the right format?")


def _pickled(folder: Path) -> list[Path]:
    return sorted(path for pattern in _PICKLED for path in folder.glob(pattern))


def _require_whole(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except SafetensorError as error:
        raise DraftlabError(f"{path} is damaged or cut short: {error}", "Download or copy it again.") from error


def hash_files(paths: list[Path]) -> dict[str, str]:
    """The sha256 of each file, by name."""
    hashes = {}
    for path in paths:
        with path.open("rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
