"""Verification rules: one file each, one line each in this table."""

from __future__ import annotations

from draftlab.registry import Entry, Registry

RULES = Registry(
    "rule",
    {
        "rejection": Entry("draftlab.rules.rejection:RejectionRule", "speculative sampling, token by token; lossless"),
    },
)
