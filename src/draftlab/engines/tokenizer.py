"""A Hugging Face tokenizer behind draftlab's contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from draftlab.errors import DraftlabError

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SENTENCEPIECE_SPACE = "\u2581"


@cache
def _bytes_by_letter() -> dict[str, int]:
    """GPT-2's printable letter for every byte, the other way round (Radford et al. 2019, `encoder.py`)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + i): byte for i, byte in enumerate(hidden)}


def bytes_of_spelling(spelled: str, *, byte_level: bool) -> bytes:
    """The bytes that a token stands for: one a letter (byte-level), `<0xE2>` for one byte, or ordinary letters."""
    if byte_level:
        letters = _bytes_by_letter()
        if all(letter in letters for letter in spelled):
            return bytes(letters[letter] for letter in spelled)
    if single := _BYTE.fullmatch(spelled):
        return bytes([int(single[1], 16)])
    return spelled.replace(_SENTENCEPIECE_SPACE, " ").encode()


class HuggingFaceTokenizer:
    """Adds the special tokens that the checkpoint asks for; never cleans up spaces."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        self.name = name
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer(text).input_ids)

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        if not self._tokenizer.chat_template:
            raise DraftlabError(
                f"'{self.name}' has no chat template, and a prompt has messages",
                "Use an instruction-tuned model, or a suite of plain prompts.",
            )
        try:
            text = self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, tokenize=False)
        except Exception as error:  # a template is a program of the checkpoint's author, and may refuse a role
            raise DraftlabError(f"the chat template of '{self.name}' refuses the messages: {error}") from error
        # The template has written every special token itself.
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def decode(self, tokens: Sequence[int], *, raw: bool = False) -> str:
        text: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=not raw, clean_up_tokenization_spaces=False
        )
        return text

    def vocabulary(self) -> dict[int, str]:
        return {i: token for token, i in self._tokenizer.get_vocab().items()}

    def special_ids(self) -> set[int]:
        added = {i for i, token in self._tokenizer.added_tokens_decoder.items() if token.special}
        return added | set(self._tokenizer.all_special_ids)

    def added_ids(self) -> set[int]:
        """Special tokens, and those that stand outside what the tokenizer has learnt."""
        return set(self._tokenizer.added_tokens_decoder) | self.special_ids()

    def bytes_of(self, token: int) -> bytes:
        if token in self._tokenizer.added_tokens_decoder:
            return str(self._tokenizer.added_tokens_decoder[token].content).encode()
        spelled = self._tokenizer.convert_ids_to_tokens(token)
        return b"" if spelled is None else bytes_of_spelling(spelled, byte_level=self._is_byte_level)

    @cached_property
    def _is_byte_level(self) -> bool:
        """Whether each letter of a token's spelling stands for a byte (GPT-2 and its many heirs)."""
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        return "ByteLevel" in str(getattr(backend, "decoder", "")) or not hasattr(backend, "decoder")

    def end_of_text(self) -> int | None:
        """The token that the tokenizer itself says ends a text."""
        end = self._tokenizer.eos_token_id
        return end if isinstance(end, int) else None

    def chat_template(self) -> str | None:
        template = self._tokenizer.chat_template
        return template if template is None or isinstance(template, str) else str(template)

    def save(self, folder: Path) -> None:
        self._tokenizer.save_pretrained(folder)
