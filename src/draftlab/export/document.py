"""What is exported: the text, with what has to be known of it as comments, and the JSON document."""

from __future__ import annotations

import textwrap
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from draftlab.report.printable import printable_line
from draftlab.stats import Estimate

SCHEMA_VERSION = 1
_WIDTH = 110


class Exported(BaseModel):
    """An arm of a run as another engine takes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: int = Field(default=SCHEMA_VERSION, alias="schema")
    run: str
    engine: str
    version: str
    """The release of the engine that the syntax was read from."""
    arm: str | None
    """None: plain serving."""
    drafter: str | None
    gamma: int | None
    walltime_speedup: Estimate | None
    why: str
    language: Literal["shell", "yaml", "python"]
    before: tuple[str, ...]
    """Commands that have to be run once before."""
    text: str
    notes: tuple[str, ...]

    @property
    def file(self) -> str:
        """The text with its comments: the same sign begins one in all three languages."""
        comments = [
            *_comment(f"{self.engine} {self.version}, from {self.run}"),
            *_comment(self.why),
            *(line for note in self.notes for line in _comment(note, "- ")),
        ]
        before = list(self.before)
        if self.language != "shell" and before:
            before = [f"# before: {line}" for line in before]
        return "\n".join([*comments, *before, self.text, ""])


def _comment(text: str, mark: str = "") -> list[str]:
    if text.startswith("$ "):  # a command, which stays on one line so that it can be copied
        return [f"# {mark}{printable_line(text)}"]
    lines = textwrap.wrap(
        printable_line(text), _WIDTH, subsequent_indent=" " * len(mark), break_long_words=False, break_on_hyphens=False,
        initial_indent=mark,
    )  # fmt: skip
    return [f"# {line}" for line in lines]
