"""A Hugging Face tokenizer behind draftlab's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from draftlab.errors import DraftlabError


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

    def end_of_text(self) -> int | None:
        """The token that the tokenizer itself says ends a text."""
        end = self._tokenizer.eos_token_id
        return end if isinstance(end, int) else None

    def chat_template(self) -> str | None:
        template = self._tokenizer.chat_template
        return template if template is None or isinstance(template, str) else str(template)

    def save(self, folder: Path) -> None:
        self._tokenizer.save_pretrained(folder)
