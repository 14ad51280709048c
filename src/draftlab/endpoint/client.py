"""One OpenAI-compatible server. Nothing here waits for ever, and nothing but a refused connection is tried again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import httpx2

from draftlab.endpoint.prometheus import Counters, read_counters
from draftlab.endpoint.reply import Reply, collect
from draftlab.endpoint.sse import events
from draftlab.endpoint.trtllm import NOTHING, with_records
from draftlab.errors import DraftlabError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_POLL_S = 0.2
_SHOWN = 200
_LEAST_S = 0.05
_LARGEST_PAGE = 16 * 2**20  # bytes
_NO_SUCH_PAGE = (404, 405, 501)
_HINT = "See the server's log."


@dataclass(frozen=True)
class Patience:
    """How long is waited for what, in seconds."""

    connect: float = 5.0
    silence: float = 120.0
    """Between two parts of a reply; a long prompt takes its time before the first."""
    reply: float = 600.0
    """For a whole reply."""
    health: float = 0.0
    """For a server that is not ready yet; 0 asks once."""
    connection_attempts: int = 3


class Client:
    """A server and the model on it."""

    def __init__(self, url: str, *, patience: Patience | None = None, api_key: str | None = None) -> None:
        parts = _address(url)
        self.url = url.rstrip("/")
        self._root = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}"
        self._patience = patience or Patience()
        self._told = NOTHING
        self._http = httpx2.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            # A proxy of the environment is for other machines; what this one says to itself goes straight.
            trust_env=parts.hostname not in _LOOPBACK,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def models(self) -> list[str]:
        """What the server serves, as soon as it is ready."""
        give_up = time.monotonic() + self._patience.health
        while True:
            try:
                return _model_names(self._get(f"{self.url}/models", self._allowed(give_up)))
            except DraftlabError as error:
                left = give_up - time.monotonic()
                if left <= 0:
                    waited = self._patience.health
                    so_long = f" within {waited:g} s" if waited else ""
                    raise DraftlabError(f"the server is not ready{so_long}: {error}", error.hint) from error
                time.sleep(min(_POLL_S, left))

    def _allowed(self, give_up: float) -> float:
        """How long one look may take, so that all of them end in time; a single look has its own."""
        silence = self._patience.silence
        return min(silence, max(give_up - time.monotonic(), _LEAST_S)) if self._patience.health else silence

    def choose_model(self, name: str | None = None) -> str:
        """The model called `name`, or the only one that there is."""
        served = self.models()
        if name is None and len(served) == 1:
            return served[0]
        if name is None or name not in served:
            asked = f"no model '{name}'" if name else "several models"
            raise DraftlabError(f"the server at {self.url} has {asked}; it serves: {', '.join(served)}", "Use --model.")
        return name

    def complete(self, model: str, prompt: str | Sequence[int], max_tokens: int, **settings: Any) -> Reply:
        """Continue a text, given as it is or as token ids."""
        text = prompt if isinstance(prompt, str) else list(prompt)
        return self._stream("completions", {"model": model, "prompt": text, "max_tokens": max_tokens, **settings})

    def chat(self, model: str, messages: Sequence[Mapping[str, str]], max_tokens: int, **settings: Any) -> Reply:
        """Answer in a chat, in the words of the server's own template."""
        said = [dict(message) for message in messages]
        return self._stream(
            "chat/completions", {"model": model, "messages": said, "max_tokens": max_tokens, **settings}
        )

    def counters(self) -> Counters | None:
        """The server's counters of speculation; None where it has no such page or none on it."""
        text, kind = self._page("metrics")
        if not kind.startswith("application/json"):
            return None if text is None else read_counters(text)
        text, _ = self._page("perf_metrics")  # TensorRT-LLM tells of each reply there, and once
        if text is None:
            return None
        self._told = with_records(self._told, text)
        return self._told

    def _page(self, name: str) -> tuple[str | None, str]:
        """A page beside the API, None where there is none, and of which kind it is."""
        with self._send("GET", f"{self._root}/{name}") as response:
            text = _read(response, self._patience.silence)
        if response.status_code in _NO_SUCH_PAGE:
            return None, ""
        _require_success(response, text)
        return text, response.headers.get("content-type", "")

    def _stream(self, path: str, request: dict[str, Any]) -> Reply:
        body = {**request, "stream": True, "stream_options": {"include_usage": True}}
        sent_ns = time.perf_counter_ns()
        deadline_ns = sent_ns + int(self._patience.reply * 1e9)
        with self._send("POST", f"{self.url}/{path}", body) as response:
            if not response.is_success:
                _require_success(response, _read(response, self._patience.silence))
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise DraftlabError(
                    f"the server answers with {kind or 'nothing named'}", "It has to stream its replies."
                )
            return collect(events(response.iter_bytes(), deadline_ns), sent_ns)

    def _get(self, url: str, seconds: float) -> Any:
        with self._send("GET", url, silence=seconds) as response:
            text = _read(response, seconds)
        _require_success(response, text)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DraftlabError(f"{url} answers with what is no JSON", "Does the address end with /v1?") from error

    @contextmanager
    def _send(
        self, method: str, url: str, body: dict[str, Any] | None = None, silence: float | None = None
    ) -> Iterator[httpx2.Response]:
        """The response, still to be read; errors of the connection, also while it is read, in one line."""
        silence = self._patience.silence if silence is None else silence
        connect = min(self._patience.connect, silence)
        timeout = httpx2.Timeout(silence, connect=connect)
        try:
            response = self._connected(self._http.build_request(method, url, json=body, timeout=timeout))
            try:
                yield response
            finally:
                response.close()
        except httpx2.ConnectError as error:
            raise DraftlabError(f"cannot reach {url}: {error}", "Is the server running?") from error
        except httpx2.TimeoutException as error:
            waited = connect if isinstance(error, httpx2.ConnectTimeout) else silence
            raise DraftlabError(f"{url} was silent for {waited:.3g} s", _HINT) from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise DraftlabError(
                f"the connection to {url} broke: {reason}", "Did the server stop? See its log."
            ) from error

    def _connected(self, request: httpx2.Request) -> httpx2.Response:
        """Only what has not reached the server is sent again: nothing is done twice."""
        for _ in range(self._patience.connection_attempts - 1):
            try:
                return self._http.send(request, stream=True)
            except httpx2.ConnectError:
                time.sleep(_POLL_S)
        return self._http.send(request, stream=True)


def _address(url: str) -> SplitResult:
    hint = "It looks like http://127.0.0.1:8000/v1."
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises where it is no number of a port
    except ValueError as error:
        raise DraftlabError(f"'{url}' is no address of a server: {error}", hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DraftlabError(f"'{url}' is no address of a server", hint)
    if "@" in parts.netloc:  # the address is written into the run and shown in its report
        raise DraftlabError(f"the address of the server at {parts.hostname} holds a name or password", hint)
    return parts


def _read(response: httpx2.Response, seconds: float) -> str:
    """A whole page; one that trickles in is given up, and one that is too long as well."""
    give_up = time.monotonic() + seconds
    page = bytearray()
    for piece in response.iter_bytes():
        page += piece
        if len(page) > _LARGEST_PAGE:
            raise DraftlabError(f"{response.url} answers with more than {_LARGEST_PAGE >> 20} MiB", _HINT)
        if time.monotonic() > give_up:
            raise DraftlabError(f"{response.url} was not complete within {seconds:.3g} s", _HINT)
    return page.decode("utf-8", errors="replace")


def _require_success(response: httpx2.Response, text: str) -> None:
    if not response.is_success:
        shown = " ".join(text.split())[:_SHOWN]
        raise DraftlabError(f"{response.url} answers with status {response.status_code}: {shown or 'nothing'}", _HINT)


def _model_names(document: Any) -> list[str]:
    listed = document.get("data") if isinstance(document, dict) else None
    entries = [entry.get("id") for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names = [name for name in entries if isinstance(name, str)]
    if not names:
        raise DraftlabError("the server does not say which models it serves", "Is this an OpenAI-compatible server?")
    return names
