"""Drafters: one file each, one line each in this table."""

from __future__ import annotations

from draftlab.registry import Entry, Registry

DRAFTERS = Registry(
    "drafter",
    {
        "none": Entry("draftlab.drafters.none:NoDrafter", "drafts nothing: plain decoding, the baseline"),
        "ngram": Entry("draftlab.drafters.ngram:NgramDrafter", "copies what followed the latest match in the text"),
        "model": Entry(
            "draftlab.drafters.model:ModelDrafter", "a smaller model with the target's tokenizer: model:NAME"
        ),
        "eagle": Entry(
            "draftlab.drafters.eagle.drafter:EagleDrafter",
            "an EAGLE-3 head, which reads the target's hidden states: eagle:FOLDER_OR_ID",
        ),
        "lookup": Entry(
            "draftlab.drafters.hybrid:HybridDrafter",
            "copies after a long match, and asks another drafter elsewhere: lookup+model:NAME",
        ),
    },
)
