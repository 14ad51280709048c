"""A closed loop: so many users, each of whom sends the next request as soon as the last one is answered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from draftlab.endpoint.client import Client, Patience
from draftlab.endpoint.reply import Reply
from draftlab.errors import DraftlabError
from draftlab.load.records import ArmName, Block, RequestRecord
from draftlab.records import PromptRecord
from draftlab.serving.started import Address

REQUESTS_PER_USER = 3
"""At least so many for each user of a block: its end, where users have nothing left to ask, is then a small part."""


@dataclass(frozen=True)
class Server:
    """A server, the model on it, and what every request says."""

    open: Callable[[], Address]
    """Has it up, and says where."""
    model: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    patience: Patience | None = None


def requests_of(prompts: Sequence[PromptRecord], level: int) -> list[PromptRecord]:
    """Every prompt equally often, at least `REQUESTS_PER_USER` requests for each user."""
    times = max(1, -(-REQUESTS_PER_USER * level // len(prompts)))
    return [prompt for _ in range(times) for prompt in prompts]


def drive(server: Server, prompts: Sequence[PromptRecord], level: int, arm: ArmName, repetition: int) -> Block:
    """Answer all requests with `level` users; a failed one is kept as such, and its user goes on."""
    url = server.open().url
    waiting = deque(requests_of(prompts, level))
    done: list[RequestRecord] = []
    begun = time.perf_counter_ns()
    with ThreadPoolExecutor(level) as users:
        asked = [users.submit(_user, url, server, waiting, done.append) for _ in range(level)]
        try:
            wait(asked)
        except BaseException:  # Ctrl-C: no user asks again, and the requests on their way are given up by their limits
            waiting.clear()
            raise
    for each in asked:
        each.result()
    return Block(
        repetition=repetition,
        level=level,
        arm=arm,
        wall_ns=time.perf_counter_ns() - begun,
        requests=tuple(done),
    )


def _user(url: str, server: Server, waiting: deque[PromptRecord], keep: Callable[[RequestRecord], None]) -> None:
    with Client(url, patience=server.patience) as client:
        model = client.choose_model(server.model)
        while True:
            try:
                prompt = waiting.popleft()
            except IndexError:
                return
            keep(_request(client, model, prompt, server.settings))


def _request(client: Client, model: str, prompt: PromptRecord, settings: dict[str, Any]) -> RequestRecord:
    sent = time.perf_counter_ns()
    try:
        reply = _ask(client, model, prompt, settings)
        if not reply.num_tokens or reply.first_ns is None:
            raise DraftlabError("the server answered without any text")
    except DraftlabError as error:
        return RequestRecord(prompt=prompt.id, total_ns=time.perf_counter_ns() - sent, error=str(error))
    told = reply.speculation
    return RequestRecord(
        prompt=prompt.id,
        total_ns=reply.total_ns,
        first_ns=reply.first_ns,
        num_tokens=reply.num_tokens,
        drafted=told.drafted if told else None,
        accepted=told.accepted if told else None,
    )


def _ask(client: Client, model: str, prompt: PromptRecord, settings: dict[str, Any]) -> Reply:
    if prompt.messages is not None:
        return client.chat(model, prompt.messages, prompt.max_new_tokens, **settings)
    return client.complete(model, prompt.prompt or "", prompt.max_new_tokens, **settings)
