"""The public conformance kit: run the tests that the built-in drafters, rules and engines pass over your own.

from draftlab.testing import check_drafter, check_engine, check_rule
"""

from __future__ import annotations

from draftlab.testing.conformance import check_drafter, check_engine, check_rule
from draftlab.testing.enumeration import EnumeratedChance, enumerate_law
from draftlab.testing.laws import law_of_decoding, total_variation
from draftlab.testing.oracle import law_of_target

__all__ = [
    "EnumeratedChance",
    "check_drafter",
    "check_engine",
    "check_rule",
    "enumerate_law",
    "law_of_decoding",
    "law_of_target",
    "total_variation",
]
