"""Model folders as `save_pretrained` writes them, with a tokenizer of whole words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from draftlab.engines.transformers import load
from draftlab.models import LoadOptions, resolve
from draftlab.types import LoadedModel
from tests.models.tiny import REAL

UNKNOWN, END = "<unk>", "<end>"


def words(size: int = REAL) -> dict[str, int]:
    """<unk>, <end>, w2, w3, ..."""
    return {UNKNOWN: 0, END: 1} | {f"w{i}": i for i in range(2, size)}


def tiny_tokenizer(vocabulary: Mapping[str, int] | None = None, end: str = END) -> PreTrainedTokenizerFast:
    """A tokenizer of the words of `vocabulary`; `end` is special."""
    model = WordLevel(dict(vocabulary or words()), unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token=UNKNOWN, eos_token=end)


def save(network: Any, folder: Path, tokenizer: PreTrainedTokenizerFast | None = None) -> Path:
    """Write a model folder."""
    network.save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    return folder


def load_folder(folder: Path, options: LoadOptions | None = None) -> LoadedModel:
    """Load as the command line does."""
    return load(resolve(str(folder)), options or LoadOptions(device="cpu"))


def sentence(tokens: Sequence[int]) -> str:
    return " ".join(f"w{i}" for i in tokens)
