"""A checkpoint's tensors as they are, for networks that transformers does not know, such as a drafter's own."""

from __future__ import annotations

import json
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors.torch import load_file
from torch import Tensor

from draftlab.engines.checkpoint import hash_files, require_config, require_weights, weight_files
from draftlab.engines.hub import require_hub
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, ModelSource
from draftlab.types import StoredTensors


def load_tensors(source: ModelSource, options: LoadOptions) -> StoredTensors:
    """Read config.json and all tensors of a folder or hub id into memory, on the CPU."""
    folder = folder_of(source, options)
    files = weight_files(folder)
    tensors: dict[str, Tensor] = {}
    for path in files:
        tensors |= load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    description = {
        "source": source.reference,
        "kind": source.kind,
        "parameters": sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point()),
        "revision": folder.name if source.kind == "hub" else None,
    }
    return StoredTensors(source.reference, _config(folder), tensors, description, partial(hash_files, files))


def folder_of(source: ModelSource, options: LoadOptions) -> Path:
    """Where the files of a folder or hub id lie; they have a configuration and weights, whole to the last byte."""
    if source.kind not in ("folder", "hub"):
        raise DraftlabError(
            f"'{source.reference}' is neither a folder nor a hub id", "Give the folder that holds config.json."
        )
    folder = Path(source.location) if source.kind == "folder" else _download(source, options)
    require_config(folder)
    require_weights(folder, options.allow_pickle)
    return folder


def _download(source: ModelSource, options: LoadOptions) -> Path:
    """The folder of a hub checkpoint's files; pickled ones are left where they are unless they may be loaded."""
    wanted = ["config.json", "*.safetensors", *(["*.bin"] if options.allow_pickle else [])]
    is_up = require_hub(source.location)
    try:
        folder = Path(snapshot_download(source.location, allow_patterns=wanted, local_files_only=not is_up))
    except Exception as error:  # the client's own error types change with its versions
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DraftlabError(f"cannot fetch '{source.reference}': {reason[:300]}", "Is the id right?") from error
    if not weight_files(folder):
        raise DraftlabError(
            f"'{source.reference}' has no safetensors weights",
            "If they are pickled (*.bin), convert them, or pass --allow-pickle if you trust their author.",
        )
    return folder


def _unpickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickled file; what is no tensor is refused by torch, and never run."""
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DraftlabError(
            f"{path} holds more than tensors, or is damaged: {reason[:200]}",
            "Convert it to safetensors.",
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(tensor, Tensor) for tensor in loaded.values()):
        raise DraftlabError(f"{path} is no table of tensors", "Convert it to safetensors.")
    return loaded


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DraftlabError(f"{path} is not valid JSON: {error}", "Download or copy it again.") from error
    if not isinstance(config, dict):
        raise DraftlabError(f"{path} is no configuration", "It should be one JSON object.")
    return config
