"""Server-sent events (HTML standard, section 9.2), as far as replies of language models need them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from draftlab.errors import DraftlabError

_DONE = "[DONE]"
_SHOWN = 60
_LONGEST = 8 * 2**20  # bytes of a line


def events(pieces: Iterable[bytes], deadline_ns: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every event of a stream with the time at which it was complete, until the one that says that all is done.

    `deadline_ns` is on the clock of perf_counter_ns. It holds for a server that sends a byte a second, too.
    """
    num_events = 0
    for now_ns, line in _lines(pieces, deadline_ns):
        if not line.startswith("data:"):
            continue  # comments that keep the connection alive, names and ids of events
        data = line.removeprefix("data:").strip()
        if data == _DONE:
            return
        num_events += 1
        yield now_ns, _object(data)
    raise DraftlabError(
        f"the stream ended after {num_events} events, without its end mark", "Did the server stop? See its log."
    )


def _lines(pieces: Iterable[bytes], deadline_ns: int) -> Iterator[tuple[int, str]]:
    rest = b""
    for piece in pieces:
        now_ns = time.perf_counter_ns()
        if now_ns > deadline_ns:
            raise DraftlabError("the reply was not complete in time", "Allow more time, or ask for fewer tokens.")
        *complete, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST:
            raise DraftlabError(
                f"the server sent a line of more than {_LONGEST // 2**20} MiB", "Is this an OpenAI-compatible server?"
            )
        for line in complete:
            yield now_ns, line.rstrip(b"\r").decode("utf-8", errors="replace")
    if rest:
        yield time.perf_counter_ns(), rest.decode("utf-8", errors="replace")


def _object(data: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DraftlabError(
            f"the server sent what is no JSON: {data[:_SHOWN]!r}", "Is this an OpenAI-compatible server?"
        ) from error
    if not isinstance(found, dict):
        raise DraftlabError(
            f"the server sent {data[:_SHOWN]!r}, which is no event", "Is this an OpenAI-compatible server?"
        )
    return found
