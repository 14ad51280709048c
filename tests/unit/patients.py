"""Models as the doctor sees them, made by hand: no files, no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from draftlab.doctor.facts import Facts
from draftlab.engines.loading import Checkpoint

WORDS = {0: "<unk>", 1: "<end>"} | {i: f"w{i}" for i in range(2, 12)}


class Spelling:
    """A tokenizer that knows its vocabulary and nothing else."""

    name = "spelling"

    def __init__(self, words: Mapping[int, str], special: Sequence[int] = (0, 1)) -> None:
        self._words, self._special = dict(words), set(special)

    def encode(self, text: str) -> list[int]:
        return []

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        return []

    def decode(self, tokens: Sequence[int], *, raw: bool = False) -> str:
        return ""

    def vocabulary(self) -> dict[int, str]:
        return dict(self._words)

    def bytes_of(self, token: int) -> bytes:
        return self._words[token].encode()

    def special_ids(self) -> set[int]:
        return set(self._special)


SOUND = Facts(
    reference="sound",
    architecture="SoundForCausalLM",
    width=16,
    tokenizer=Spelling(WORDS),
    context_length=4096,
    dtype="bfloat16",
    settings={"eos_token_id": [1]},
    end_of_text=1,
    num_parameters=1000,
    num_layers=10,
    checkpoint=cast("Checkpoint", object()),
)


def patient(words: Mapping[int, str] | None = None, **changes: Any) -> Facts:
    """A sound model with changes; `words` are spelt differently from the usual ones, or None: taken away."""
    spelt = {i: word for i, word in (WORDS | dict(words or {})).items() if word}
    return replace(SOUND, tokenizer=Spelling(spelt), **changes)
