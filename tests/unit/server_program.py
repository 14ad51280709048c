"""A program that serves as vLLM does, well or badly: `python server_program.py HOW ... --port PORT`."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOW = sys.argv[1]  # well, fails, sleeps, stubborn, dies, or a file: speculates as long as that is there, and removes it
PORT = int(sys.argv[sys.argv.index("--port") + 1])
SPECULATES = "--speculative-config" in sys.argv
if SPECULATES and os.sep in HOW:
    SPECULATES = Path(HOW).exists()
    Path(HOW).unlink(missing_ok=True)
TOLD = {
    "num_draft_tokens": 6, "num_accepted_draft_tokens": 5, "num_spec_steps": 2, "acceptance_histogram": [0, 0, 1, 1],
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    served = 0

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        found = self.path == "/v1/models"
        body = json.dumps({"data": [{"id": "small"}]}).encode() if found else b"{}"
        self.send_response(200 if found else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        Handler.served += 1
        if HOW == "dies" and SPECULATES and Handler.served > 3:
            os._exit(1)
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        last = {"metrics": {"speculative_decoding": TOLD}} if SPECULATES else {}
        for part in (
            {"choices": [{"index": 0, "text": "ab", "finish_reason": None}]},
            {"choices": [{"index": 0, "text": "cd", "finish_reason": "length"}]},
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 8}, **last},
        ):
            self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


if HOW == "fails":
    print("some words")
    print("ValueError: this engine does not know that model")
    sys.exit("RuntimeError: initialization failed. See root cause above.")
if HOW == "sleeps":
    time.sleep(600)
if HOW == "stubborn":  # ends for nothing but a kill
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
threading.Thread(target=server.serve_forever).start()
