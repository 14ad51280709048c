"""draftlab: the laboratory for speculative decoding.

import draftlab
print(draftlab.generate("def fibonacci(n):", target="smollm2-135m-instruct", drafter="ngram").text)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from draftlab.api import Generation, generate, run
    from draftlab.report.compare import Comparison, compare
    from draftlab.report.measure import Report, measure
    from draftlab.report.run_view import RunView, TraceView, open_run
    from draftlab.spec import Experiment
    from draftlab.store import Store

__version__ = "0.1.0"

# Loaded when first used: reading a report must not wait for torch.
_PUBLIC = {
    "Comparison": "draftlab.report.compare",
    "Experiment": "draftlab.spec",
    "Generation": "draftlab.api",
    "Report": "draftlab.report.measure",
    "RunView": "draftlab.report.run_view",
    "Store": "draftlab.store",
    "TraceView": "draftlab.report.run_view",
    "compare": "draftlab.report.compare",
    "generate": "draftlab.api",
    "measure": "draftlab.report.measure",
    "open_run": "draftlab.report.run_view",
    "run": "draftlab.api",
}

__all__ = [
    "Comparison",
    "Experiment",
    "Generation",
    "Report",
    "RunView",
    "Store",
    "TraceView",
    "compare",
    "generate",
    "measure",
    "open_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'draftlab' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)
