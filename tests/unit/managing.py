"""Experiments on servers that a program of ours stands in for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from draftlab.managed import process, room, run
from draftlab.managed.engines import PORT, Launch, ServerEngine
from draftlab.spec import make_experiment

_GIB = 2**30
PROGRAM = str(Path(__file__).with_name("server_program.py"))


def serve(how: str, *more: str) -> Launch:
    """Our program as a server that behaves so."""
    return Launch([sys.executable, PROGRAM, how, *more, "--port", PORT])


def quiet(_: str) -> None:
    """Say nothing."""


def an_experiment(folder: Path, **settings: Any) -> Any:
    """On four prompts that are written to `folder`, with a target that is there as well."""
    suite, target = folder / "mine.jsonl", folder / "target"
    lines = [{"id": f"p{i}", "category": "code", "prompt": f"text {i}"} for i in range(4)]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))
    target.mkdir(exist_ok=True)
    (target / "config.json").write_text("{}")
    given = {"engine": "vllm", "engine_program": sys.executable, "target": str(target), "drafters": ("ngram",),
             "gammas": (4,), "suites": (str(suite),), "max_new_tokens": 8}  # fmt: skip
    return make_experiment({**given, **settings})


def let_engine_behave(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Have `vllm` be a program of ours that behaves so."""

    def command(python: str, plan: Any) -> list[str]:
        return [python, PROGRAM, how, *(["--speculative-config", "{}"] if plan.drafter else []), "--port", PORT]

    monkeypatch.setattr(run, "engine_called", lambda _: ServerEngine(command, "a program"))


def let_memory_hold(monkeypatch: pytest.MonkeyPatch, folder: Path, gib: float) -> None:
    """Have a target of 2 GiB, and so many GiB be free: one server needs 5, two need 10."""
    with (folder / "target" / "model.safetensors").open("wb") as file:
        file.truncate(2 * _GIB)
    memory = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=int(gib * _GIB)))
    monkeypatch.setattr(room, "psutil", memory)


def be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than for a real server, and on a machine without a GPU."""
    monkeypatch.setattr(process, "_GRACE_S", 1.0)
    monkeypatch.setattr(process, "_POLL_S", 0.05)
    monkeypatch.setattr(room, "has_gpu", lambda: False)


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
