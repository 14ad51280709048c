"""No module imports itself by any way round; imports inside functions count, those for the type checker do not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, module_name


def imports(node: ast.AST, modules: set[str]) -> Iterator[str]:
    """The modules among `modules` that the code imports anywhere."""
    inside = list(ast.iter_child_nodes(node))
    match node:
        case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
            inside = list(node.orelse)
        case ast.Import(names):
            yield from (alias.name for alias in names if alias.name in modules)
        case ast.ImportFrom(module, names):
            for alias in names:
                inner = f"{module}.{alias.name}"
                yield from [name for name in (inner if inner in modules else module,) if name in modules]
    for child in inside:
        yield from imports(child, modules)


def import_graph(package: Path) -> dict[str, set[str]]:
    files = {module_name(path, package): path for path in package.rglob("*.py")}
    return {name: set(imports(ast.parse(path.read_text()), set(files))) for name, path in files.items()}


def find_cycle(graph: dict[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return None


def test_there_is_no_cycle() -> None:
    graph = import_graph(PACKAGE)
    assert len(graph) > 40
    assert "draftlab.api" in graph["draftlab.cli.bench"]  # an import inside a function
    assert find_cycle(graph) is None


@pytest.mark.parametrize(
    ("there", "back", "is_cycle"),
    [
        ("import house.b", "import house.a", True),
        ("from house.b import x", "def f():\n    from house import a", True),
        ("class A:\n    def f(self):\n        if True:\n            import house.b", "from house.a import y", True),
        ("import house.b", "if TYPE_CHECKING:\n    import house.a", False),
        ("import house.b", "if typing.TYPE_CHECKING:\n    pass\nelse:\n    import house.a", True),
        ("import house.b", "import os", False),
    ],
)
def test_this_search_finds_what_it_should(tmp_path: Path, there: str, back: str, is_cycle: bool) -> None:
    house = tmp_path / "house"
    house.mkdir()
    for name, content in {"__init__": "", "a": there, "b": back}.items():
        (house / f"{name}.py").write_text(content)
    assert (find_cycle(import_graph(house)) is not None) == is_cycle
