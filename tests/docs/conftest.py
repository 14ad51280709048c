"""The example components of the how-to pages, registered as if their file and their line were there."""

from __future__ import annotations

import pytest

from draftlab.drafters import DRAFTERS
from draftlab.rules import RULES
from tests.docs.pages import HOW_TO, add_component


@pytest.fixture
def with_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drafter `bigram` and the rule `match`, under their names, for one test."""
    drafters = add_component(HOW_TO / "add-a-drafter.md", DRAFTERS, monkeypatch)
    rules = add_component(HOW_TO / "add-a-rule.md", RULES, monkeypatch)
    for place in ("draftlab.drafters.DRAFTERS", "draftlab.drafters.reference.DRAFTERS"):
        monkeypatch.setattr(place, drafters)
    for place in ("draftlab.rules.RULES", "draftlab.workbench.RULES"):
        monkeypatch.setattr(place, rules)
