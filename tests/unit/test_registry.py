"""Names for components, on registries made here, so that the tests hold whatever draftlab itself offers."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from draftlab import registry
from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.registry import Entry, Registry


@pytest.fixture
def tools() -> Registry:
    return Registry("tool", {"ordered": Entry("collections:OrderedDict", "keeps order"), "join": Entry("os:sep", "")})


def offer(monkeypatch: pytest.MonkeyPatch, *points: EntryPoint) -> list[str]:
    """Let installed packages offer `points`; the list holds the groups that were asked for."""
    groups: list[str] = []

    def entry_points(*, group: str) -> list[EntryPoint]:
        groups.append(group)
        return list(points)

    monkeypatch.setattr(registry, "entry_points", entry_points)
    return groups


def test_a_name_loads_what_its_path_says(tools: Registry) -> None:
    from collections import OrderedDict

    assert tools.load("ordered") is OrderedDict


def test_nothing_is_imported_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lazy_probe.py").write_text("thing = 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    tools = Registry("tool", {"lazy": Entry("lazy_probe:thing", "")})
    assert tools.names() == ["lazy"]
    assert "lazy_probe" not in sys.modules
    assert tools.load("lazy") == 5


def test_names_are_sorted(tools: Registry) -> None:
    assert tools.names() == ["join", "ordered"]


def test_an_unknown_name_is_answered_with_the_nearest(tools: Registry) -> None:
    with pytest.raises(UnknownNameError, match="no tool is called 'orderd'; there are: join, ordered") as caught:
        tools.load("orderd")
    assert caught.value.hint == "Did you mean 'ordered'?"


def test_the_table_is_copied() -> None:
    table = {"join": Entry("os:sep", "")}
    tools = Registry("tool", table)
    table["late"] = Entry("os:sep", "")
    assert tools.names() == ["join"]


def test_an_installed_package_adds_a_name(tools: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = offer(monkeypatch, EntryPoint("counter", "collections:Counter", "draftlab.tools"))
    from collections import Counter

    assert tools.load("counter") is Counter
    assert "counter" in tools.names()
    assert tools.entries()["counter"].summary == "from another package"
    assert set(groups) == {"draftlab.tools"}


def test_an_installed_package_is_named_in_the_list() -> None:
    # pytest itself is installed and offers nothing here; hypothesis offers a pytest plug-in: a real entry point.
    from importlib.metadata import entry_points

    point = next(p for p in entry_points(group="pytest11") if p.name == "hypothesispytest")
    assert point.dist is not None
    with pytest.MonkeyPatch.context() as patched:
        offer(patched, point)
        assert Registry("tool", {}).entries()["hypothesispytest"].summary == "from hypothesis"


def test_a_plug_in_never_changes_what_a_built_in_name_means(tools: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, EntryPoint("ordered", "collections:Counter", "draftlab.tools"))
    from collections import OrderedDict

    assert tools.load("ordered") is OrderedDict
    assert tools.entries()["ordered"].summary == "keeps order"


@pytest.mark.parametrize("path", ["no_such_module:thing", "collections:NoSuchThing", "collections", ":thing"])
def test_an_entry_that_leads_nowhere_says_so(path: str) -> None:
    with pytest.raises(DraftlabError, match=f"tool 'broken' cannot be imported from {path}: ") as caught:
        Registry("tool", {"broken": Entry(path, "")}).load("broken")
    assert "\n" not in str(caught.value)


def test_a_plug_in_that_raises_while_it_is_imported_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_probe.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DraftlabError, match="'broken' cannot be imported from broken_probe:x: ZeroDivisionError"):
        Registry("tool", {"broken": Entry("broken_probe:x", "")}).load("broken")
