"""A server on the loopback that says what a test tells it to, and breaks in the ways in which servers break."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


def page(text: str, status: int = 200, kind: str = "application/json") -> Answer:
    """A whole answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = text.encode()
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def stream(*parts: bytes | Callable[[], object]) -> Answer:
    """A streamed answer; a part that can be called is waited for. The connection ends with the last."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream; charset=utf-8")
        handler.end_headers()
        for part in parts:
            if callable(part):
                part()
            else:
                handler.wfile.write(part)
                handler.wfile.flush()

    return answer


def event(**content: Any) -> bytes:
    """One event."""
    return f"data: {json.dumps(content)}\n\n".encode()


def text_event(text: str, **more: Any) -> bytes:
    """A piece of a completion."""
    return event(choices=[{"index": 0, "text": text, "finish_reason": None, **more}])


USAGE = event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 8})
DONE = b"data: [DONE]\n\n"
MODELS = page(json.dumps({"data": [{"id": "small"}]}))


@contextmanager
def serve(answers: Mapping[str, Answer]) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The address of a server with these answers by path, and the requests that it has had."""
    seen: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, None))
            with suppress(BrokenPipeError, ConnectionResetError):  # a client that gave up
                answers.get(self.path, page("{}", 404))(self)

        def do_POST(self) -> None:
            seen.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            with suppress(BrokenPipeError, ConnectionResetError):  # a client that gave up
                answers.get(self.path, page("{}", 404))(self)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
