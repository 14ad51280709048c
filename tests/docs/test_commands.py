"""The commands of the pages work: those on the toy are run, and every flag of every other one exists."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from draftlab.cli import app, main
from tests.docs.pages import HOW_TO, PAGES, ROOT, blocks, commands, name

RUN = [ROOT / "README.md", ROOT / "docs" / "tutorial.md", *sorted(HOW_TO.glob("*.md"))]
HERE_DOCUMENT = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(draftlab [a-z]+[^`\n]*)`")


def draftlab(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command in this process, which spares the import of torch for each; its exit status."""
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def needs_no_model(words: list[str]) -> bool:
    """True for commands on the toy, and for those that only read what is here by now."""
    if "--target" in words:
        return words[words.index("--target") + 1].startswith("toy")
    match words:
        case ["draftlab", "ls", *_]:
            return True
        case ["draftlab", "report" | "export", run, *_]:
            return Path(run).is_dir()
        case ["draftlab", "compare", reference, run, *_]:
            return Path(reference).is_dir() and Path(run).is_dir()
        case ["draftlab", "bench" | "sweep", spec, *_] if spec.endswith(".toml"):
            return 'target = "toy"' in Path(spec).read_text()
        case ["draftlab", "bench", "--resume", "--out", run]:
            return Path(run).is_dir()
    return False


def run_shell(text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Write the files that a shell block writes, and run those of its commands that need no model."""
    for file, content in HERE_DOCUMENT.findall(text):
        Path(file).write_text(content)
    for words in commands(HERE_DOCUMENT.sub("", text)):
        command, file = (words[:-2], words[-1]) if words[-2] == ">" else (words, None)
        if needs_no_model(command):
            status = draftlab(command, monkeypatch)
            out, err = capfd.readouterr()
            assert status == 0, f"{' '.join(command)}: {err}"
            if file is not None:
                Path(file).write_text(out)


def reads_or_makes_a_toy_run(code: str) -> bool:
    return '"toy"' in code or any(Path(run).is_dir() for run in re.findall(r'"(runs/[\w-]+)"', code))


@pytest.mark.usefixtures("with_examples")
@pytest.mark.parametrize("page", RUN, ids=name)
def test_what_needs_no_model_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All in their order and in one folder, so that a command may read what the one before has written."""
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "sh", "python"):
        if block.language == "sh":
            run_shell(block.text, monkeypatch, capfd)
        elif reads_or_makes_a_toy_run(block.text):
            exec(compile(block.text, str(page), "exec"), {})
    assert any(tmp_path.iterdir()), f"nothing on {name(page)} has run"


@cache
def flags_of(verb: str) -> frozenset[str]:
    """The flags that `draftlab VERB --help` names."""
    shown = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, f"there is no verb {verb}"
    return frozenset(re.findall(r"--?[a-z][a-z-]*", shown.output))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_flags_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    mentioned = [words for block in blocks(page) if "planned" not in block.note for words in commands(block.text)]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    mentioned += [command.split() for command in INLINE.findall(prose)]
    for _, verb, *rest in mentioned:
        if verb.startswith("-"):
            continue
        for word in rest:
            if re.fullmatch(r"\[?--?[a-z][a-z-]*\]?", word):
                assert word.strip("[]") in flags_of(verb), f"draftlab {verb} has no {word}"
