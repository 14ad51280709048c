"""The house stays small enough to be read, and what it promises by name is there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import draftlab
from draftlab.decoding import Decoder
from draftlab.drafters import DRAFTERS
from draftlab.engines import ENGINES
from draftlab.registry import Registry
from draftlab.report.measure import ArmReport
from draftlab.rules import RULES
from draftlab.stats import Estimate
from tests.architecture.tree import FILES, PACKAGE, ROOT

FIGURES = [name for name, field in ArmReport.model_fields.items() if field.annotation is Estimate]


def test_the_loop_fits_on_one_screen() -> None:
    assert len(inspect.getsource(Decoder.decode).splitlines()) <= 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_can_be_read_at_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = re.compile(r"utils?|helpers?|common|misc")
    assert not [path for path in FILES if any(drawers.fullmatch(part) for part in path.with_suffix("").parts)]


def test_public_names_are_sorted_and_there() -> None:
    assert draftlab.__all__ == sorted(draftlab.__all__)
    assert draftlab.__all__ == sorted(draftlab._PUBLIC)
    for name in draftlab.__all__:
        assert getattr(draftlab, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'benchmark'"):
        _ = draftlab.benchmark


@pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, name) for registry in (DRAFTERS, RULES, ENGINES) for name in registry.names()],
    ids=lambda value: value.kind if isinstance(value, Registry) else value,
)
def test_every_registered_name_loads_and_says_what_it_is(registry: Registry, name: str) -> None:
    assert callable(registry.load(name))
    assert registry.entries()[name].summary


def test_code_from_a_checkpoint_is_never_trusted_by_itself() -> None:
    trusting = re.compile(r"""trust_remote_code["']?\s*(:\s*bool\s*)?[=:]\s*True""")
    assert trusting.search("f(trust_remote_code=True)")
    assert trusting.search('{"trust_remote_code": True}')
    assert trusting.search("trust_remote_code: bool = True")
    assert not [path for path in FILES if trusting.search(path.read_text())]


@pytest.mark.parametrize("name", [*FIGURES, "acceptance_at"])
def test_every_figure_of_the_report_is_in_the_glossary(name: str) -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert re.search(rf"^#+ .*\b{name}\b|\*\*`?{name}`?|`{name}`", glossary, re.MULTILINE)


def test_there_are_figures_to_look_for() -> None:
    assert len(FIGURES) >= 6
