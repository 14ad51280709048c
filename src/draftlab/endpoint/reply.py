"""A reply of a server, as it arrived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from draftlab.endpoint.counts import SpeculationCounts, counts_of_reply
from draftlab.errors import DraftlabError

_EXTRAS = ("metrics", "timings", "meta_info")


@dataclass(frozen=True)
class Reply:
    """A text, and when its parts came. Times are in nanoseconds since the request was sent."""

    text: str
    num_tokens: int
    """As the server counts them; a chunk may have several."""
    num_prompt_tokens: int | None
    finish_reason: str | None
    chunk_ns: tuple[int, ...]
    """When each chunk with text was there."""
    total_ns: int
    speculation: SpeculationCounts | None = None
    """None where the server says nothing of it in its replies."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """What the server added to the reply, as it came."""

    @property
    def first_ns(self) -> int | None:
        """When the first text was there; None where there was none."""
        return self.chunk_ns[0] if self.chunk_ns else None


def collect(events: Iterable[tuple[int, dict[str, Any]]], sent_ns: int) -> Reply:
    """A reply from the events of its stream and their times."""
    pieces: list[str] = []
    chunk_ns: list[int] = []
    usage: Mapping[str, Any] = {}
    extras: dict[str, Any] = {}
    finish_reason, last_ns = None, sent_ns
    for now_ns, event in events:
        last_ns = now_ns
        _refuse_error(event)
        for choice in _choices(event):
            if text := _text(choice):
                pieces.append(text)
                chunk_ns.append(now_ns - sent_ns)
            finish_reason = choice.get("finish_reason") or finish_reason
            extras |= _extras(choice)
        extras |= _extras(event)
        usage = event["usage"] if isinstance(event.get("usage"), dict) else usage
    return Reply(
        text="".join(pieces),
        num_tokens=_tokens(usage),
        num_prompt_tokens=prompt if type(prompt := usage.get("prompt_tokens")) is int else None,
        finish_reason=finish_reason,
        chunk_ns=tuple(chunk_ns),
        total_ns=last_ns - sent_ns,
        speculation=counts_of_reply(extras),
        extras=extras,
    )


def _refuse_error(event: Mapping[str, Any]) -> None:
    error = event.get("error")
    if error:
        message = error.get("message", error) if isinstance(error, dict) else error
        raise DraftlabError(f"the server broke off: {message}", "See its log.")


def _choices(event: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    choices = event.get("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise DraftlabError("the server sent an event without readable choices", "Is this an OpenAI-compatible server?")
    yield from choices


def _text(choice: Mapping[str, Any]) -> str:
    """Of a completion or of a chat."""
    delta = choice.get("delta")
    found = choice.get("text") if not isinstance(delta, dict) else delta.get("content")
    return found if isinstance(found, str) else ""


def _extras(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in _EXTRAS if isinstance(found.get(name), dict)}


def _tokens(usage: Mapping[str, Any]) -> int:
    number = usage.get("completion_tokens")
    if type(number) is not int or number < 0:
        raise DraftlabError(
            "the server does not say how many tokens it made", "It has to know stream_options.include_usage."
        )
    return number
