"""The code of the how-to pages is complete and right: it goes in as printed, passes its check, and decodes."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from draftlab import Experiment, measure, run
from draftlab.drafters import DRAFTERS
from draftlab.registry import Registry
from draftlab.rules import RULES
from tests.docs.pages import HOW_TO, ROOT, add_component, blocks, name

DRAFTER = HOW_TO / "add-a-drafter.md"
RULE = HOW_TO / "add-a-rule.md"
COMPONENTS = pytest.mark.parametrize(
    ("page", "registry"), [(DRAFTER, DRAFTERS), (RULE, RULES)], ids=["drafter", "rule"]
)


@COMPONENTS
def test_the_line_fits_into_the_table(page: Path, registry: Registry) -> None:
    source = (ROOT / f"src/draftlab/{registry.kind}s/__init__.py").read_text(encoding="utf-8")
    line = blocks(page, "python")[1].text
    assert line.count("\n") == 1 and len(line) <= 121
    table, end, rest = source.partition("\n    },\n)")
    assert end, "the table has another form than the page assumes"
    ast.parse(f"{table}\n{line.rstrip()}{end}{rest}")


@COMPONENTS
@pytest.mark.usefixtures("with_examples")
def test_the_check_passes(page: Path, registry: Registry) -> None:
    exec(blocks(page, "python")[2].text, {})


def test_the_drafter_decodes(with_examples: None, tmp_path: Path) -> None:
    experiment = Experiment(target="toy", drafters=("bigram", "bigram,min_count=2"), suites=("notebook",))
    report = measure(run(experiment, tmp_path / "run"))
    every, often = (arm for arm in report.arms if arm.category == "all")
    assert every.identical == every.compared == every.num_prompts == 3
    assert every.acceptance_rate.value is not None and often.num_failed == 0


def test_the_rule_decodes_and_accepts_less(with_examples: None, tmp_path: Path) -> None:
    rates = []
    for rule in ("match", "rejection"):
        experiment = Experiment(
            target="toy", drafters=("model:toy:0.3",), suites=("notebook",), temperature=1.0, rule=rule
        )
        whole = measure(run(experiment, tmp_path / rule)).arms[-1]
        assert (whole.rule, whole.num_prompts, whole.num_failed) == (rule, 3, 0)
        rates.append(whole.acceptance_rate.value or 0.0)
    assert 0.0 < rates[0] < rates[1]


@COMPONENTS
def test_the_entry_point_is_found(
    page: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = blocks(page, "toml")
    ((group, ((component, path),)),) = (
        (group, tuple(points.items())) for group, points in tomllib.loads(block.text)["project"]["entry-points"].items()
    )
    assert group == f"draftlab.{registry.kind}s"
    # An installed package is a folder on the path that says what it offers.
    facts = tmp_path / "example-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{group}]\n{component} = {path}\n")
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    module, _, attribute = path.partition(":")
    (tmp_path / Path(*module.split("."))).with_suffix(".py").write_text(blocks(page, "python")[0].text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_package", raising=False)  # the other page's package has the same name
    assert component in entry_points(group=group).names
    assert registry.entries()[component].summary == "from example"
    assert registry.load(component).__name__ == attribute


@COMPONENTS
def test_the_name_is_free(page: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose example has become a built-in needs another example."""
    added = set(add_component(page, registry, monkeypatch).entries()) - set(registry.entries())
    assert len(added) == 1, f"{name(page)} adds {added}"
