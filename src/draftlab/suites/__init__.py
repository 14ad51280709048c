"""Prompt suites: built-in files, public sets, and the user's own `.jsonl`."""

from __future__ import annotations

from draftlab.suites.loading import BUILT_IN, load_suite, load_suites
from draftlab.suites.suite import Prompt, Suite

__all__ = ["BUILT_IN", "Prompt", "Suite", "load_suite", "load_suites"]
