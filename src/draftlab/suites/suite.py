"""What a suite is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Prompt(BaseModel):
    """One prompt: plain text, or the messages of a chat, which go through the model's chat template."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    category: str = Field(default="other", min_length=1)
    subcategory: str = ""
    prompt: str | None = None
    messages: tuple[dict[str, str], ...] | None = None
    max_new_tokens: int | None = Field(default=None, ge=1)

    @field_validator("category")
    @classmethod
    def _not_the_summary(cls, category: str) -> str:
        if category == "all":
            raise ValueError("'all' is the row that sums up every category")
        return category

    @field_validator("prompt")
    @classmethod
    def _not_empty(cls, prompt: str | None) -> str | None:
        if prompt is not None and not prompt.strip():
            raise ValueError("the prompt is empty")
        return prompt

    @field_validator("messages")
    @classmethod
    def _well_formed(cls, messages: tuple[dict[str, str], ...] | None) -> tuple[dict[str, str], ...] | None:
        if messages is not None and (not messages or any(not {"role", "content"} <= m.keys() for m in messages)):
            raise ValueError("messages need at least one entry, each with a role and a content")
        return messages

    @model_validator(mode="after")
    def _one_of_two(self) -> Prompt:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("a line needs either a prompt or messages")
        return self


@dataclass(frozen=True, slots=True)
class Suite:
    """Prompts under a name, in their order."""

    name: str
    prompts: tuple[Prompt, ...]

    @property
    def fingerprint(self) -> str:
        """A hash of every prompt and of their order."""
        lines = "\n".join(prompt.model_dump_json() for prompt in self.prompts)
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def first(self, limit: int | None) -> Suite:
        """The first `limit` prompts."""
        return Suite(self.name, self.prompts[:limit])
