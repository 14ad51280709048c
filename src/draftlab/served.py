"""What a server told of one decode. It has no rounds: those are inside the server, and a chunk is none."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Served(BaseModel):
    """A reply in numbers, all of them the server's own but the times. What it does not tell is None or empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_tokens: int
    """New tokens; their ids are not known."""
    num_prompt_tokens: int | None = None
    chunk_ns: tuple[int, ...] = ()
    """When each chunk with text was there, since the request was sent."""
    drafted: int | None = None
    accepted: int | None = None
    drafts: int | None = None
    """Rounds that drafted."""
    accepted_at: tuple[int, ...] = ()
    """Entry i: the drafts whose token i was accepted."""

    @property
    def rounds(self) -> int | None:
        """Target passes: each gave one token that was not drafted, and there was one at least.

        Exact but for drafted tokens that were accepted in the last pass and cut off by the end of the text.
        """
        return None if self.accepted is None else max(1, self.num_tokens - self.accepted)

    @property
    def has_whole_drafts(self) -> bool:
        """Whether every draft is known to have had all positions, so that what was judged follows from counts."""
        return bool(self.drafts and self.accepted_at) and self.drafted == (self.drafts or 0) * len(self.accepted_at)

    @property
    def judged(self) -> int | None:
        """Accepted plus rejected; a draft has one rejection unless all of it was accepted. None where not known."""
        if self.drafted == 0:
            return 0
        if not self.has_whole_drafts or self.accepted is None or self.drafts is None:
            return None
        return self.accepted + self.drafts - self.accepted_at[-1]
