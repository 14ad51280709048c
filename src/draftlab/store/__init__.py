"""Runs on disk. A run is a folder: `manifest.json`, and `traces.jsonl`, to which lines are only ever added."""

from __future__ import annotations

from draftlab.store.folder import Store, TraceWriter, list_runs

__all__ = ["Store", "TraceWriter", "list_runs"]
