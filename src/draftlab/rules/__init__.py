"""Verification rules: one file each, one line each in this table."""

from __future__ import annotations

from draftlab.registry import Entry, Registry

RULES = Registry(
    "rule",
    {
        "rejection": Entry("draftlab.rules.rejection:RejectionRule", "speculative sampling, token by token; lossless"),
        "block": Entry("draftlab.rules.block:BlockRule", "block verification, the draft judged as a whole; lossless"),
        "coupled": Entry(
            "draftlab.rules.coupled:CoupledRule",
            "same noise for drafter and target: the text is plain sampling's; lossless",
        ),
        "typical": Entry("draftlab.rules.typical:TypicalRule", "Medusa's typical acceptance; LOSSY"),
    },
)
