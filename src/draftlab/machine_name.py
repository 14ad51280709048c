"""Machines told apart by what a run has kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def machine_of(environment: Mapping[str, Any]) -> str:
    """What has to be the same for two times to be comparable."""
    packages = environment["packages"]
    gpus = ", ".join(environment["gpus"]) or "no GPU"
    return (
        f"{environment['cpu']}, {environment['threads']} threads, {gpus}, torch {packages['torch']}, "
        f"transformers {packages['transformers']}"
    )


def host_of(environment: Mapping[str, Any]) -> str | None:
    """Which of several machines of one kind it was; None in runs of before this was kept."""
    host = environment.get("host")
    return host if isinstance(host, str) else None
