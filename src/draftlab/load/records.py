"""What is kept of a measurement under load: one file for its settings, one for each block."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ArmName = Literal["plain", "speculative"]
SCHEMA = 1


class LoadSettings(BaseModel):
    """What was asked for; a measurement is resumed only with the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    experiment: dict[str, Any]
    levels: tuple[int, ...]
    """Users at once, in ascending order."""
    repetitions: int
    prompts: dict[str, str]
    """sha256 of each suite's prompts, by its name."""


class RequestRecord(BaseModel):
    """One request, as its user saw it. Times are in nanoseconds since it was sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    total_ns: int
    first_ns: int | None = None
    num_tokens: int = 0
    drafted: int | None = None
    accepted: int | None = None
    error: str | None = None
    """Why there is no reply; nothing else of it counts then."""


class Block(BaseModel):
    """So many users at one server, until all requests were answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repetition: int
    level: int = Field(ge=1)
    arm: ArmName
    wall_ns: int
    requests: tuple[RequestRecord, ...]
