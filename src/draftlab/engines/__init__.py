"""Engines: what drives a model. One file (or family of files) each, one line each in this table.

An engine's entry is a function `load(source, options) -> LoadedModel`.
"""

from __future__ import annotations

from draftlab.registry import Entry, Registry

ENGINES = Registry(
    "engine",
    {
        "transformers": Entry("draftlab.engines.transformers:load", "any Hugging Face causal LM: hub id, folder, GGUF"),
        "toy": Entry("draftlab.engines.toy:load", "a tiny table of letters for tests and docs: toy, toy:VARIATION"),
    },
)
