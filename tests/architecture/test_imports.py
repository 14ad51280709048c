"""What only reads or refuses starts at once: it does not wait for torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

GOLDEN = str(ROOT / "tests" / "golden" / "run-schema-1")
COMPUTE = {"torch", "transformers", "accelerate", "safetensors", "gguf"}
DRAWING = {"matplotlib", "jinja2"}
DATA = {"numpy", "scipy", "pydantic"}

PROBE = """
import sys
sys.argv = ["draftlab", *sys.argv[1:]]
status = 0
try:
    from draftlab.cli import main
    main()
except SystemExit as leaving:
    status = leaving.code or 0
print("MODULES", status, *{name.partition(".")[0] for name in sys.modules})
"""


def loaded_by(code: str, *arguments: str) -> tuple[int, set[str]]:
    """The exit status, and all top-level modules that a fresh interpreter has loaded at the end."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.rpartition("MODULES ")[2].split()
    return int(status), set(modules)


def test_help_loads_neither_side() -> None:
    status, modules = loaded_by(PROBE, "--help")
    assert status == 0
    assert not modules & (COMPUTE | DATA)


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["bench", "--help"], ["doctor", "--help"], ["report", "--help"], ["compare", "--help"]],
    ids=" ".join,
)
def test_a_verbs_help_computes_nothing(arguments: list[str]) -> None:
    status, modules = loaded_by(PROBE, *arguments)
    assert status == 0
    assert not modules & (COMPUTE | DATA - {"pydantic"})  # typer itself reads a verb's options with pydantic


@pytest.mark.parametrize(
    "arguments",
    [["report", GOLDEN], ["report", GOLDEN, "--json"], ["compare", GOLDEN, GOLDEN]]
    + [["export", GOLDEN, "--to", "vllm"]]
    + [["ls", "runs", "--folder", str(ROOT / "tests" / "golden")]]
    + [["ls", what] for what in ("drafters", "rules", "engines", "suites", "models")],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_reading_never_loads_the_side_that_computes(arguments: list[str]) -> None:
    status, modules = loaded_by(PROBE, *arguments)
    assert status == 0
    assert not modules & (COMPUTE | DRAWING)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bench", "--gamma", "-1"],
        ["bench", "nowhere.toml"],
        ["bench", "--resume"],
        ["bench", "--fail-if", "speed < 1"],
        ["report", "nowhere"],
        ["compare", GOLDEN],
        ["doctor", "--gamma", "0"],
        ["export", GOLDEN, "--to", "nobody"],
        ["export", GOLDEN, "--to", "vllm", "--arm", "nobody"],
    ],
    ids=" ".join,
)
def test_bad_input_is_told_without_waiting_for_torch(arguments: list[str]) -> None:
    status, modules = loaded_by(PROBE, *arguments)
    assert status == 2
    assert not modules & COMPUTE


def test_the_package_itself_loads_nothing() -> None:
    _, modules = loaded_by('import draftlab, sys; print("MODULES", 0, *{n.partition(".")[0] for n in sys.modules})')
    assert "draftlab" in modules
    assert not modules & (COMPUTE | DATA)


def test_this_probe_sees_torch_where_it_is_loaded() -> None:
    _, modules = loaded_by(PROBE.replace("import sys\n", "import sys, torch\n", 1), "--version")
    assert "torch" in modules
