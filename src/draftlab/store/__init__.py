"""Runs on disk. A run is a folder: `manifest.json`, and `traces.jsonl`, to which lines are only ever added."""

from __future__ import annotations

from draftlab.store.folder import RunWriter, Store, list_runs

__all__ = ["RunWriter", "Store", "list_runs"]
