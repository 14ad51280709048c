"""Unusable input: status 2, one line that says what to do, nothing on standard output, and no run folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from draftlab.cli import main
from tests.cli.conftest import Command

ROW = '{"id": "a", "prompt": "x"}'
FILES = {
    "empty.jsonl": "",
    "malformed.jsonl": f'{ROW}\n{{"id": "b", ',
    "twice.jsonl": f"{ROW}\n{ROW}",
    "blank.jsonl": '{"id": "a", "prompt": " "}',
    "long.jsonl": json.dumps({"id": "a", "prompt": "x" * 4096}),
    "good.jsonl": ROW,
    "unknown.toml": 'target = "toy"\ntemprature = 0.5\n',
    "broken.toml": "target = toy\n",
    "list.toml": 'target = "toy"\nsuites = ["code", "good.jsonl", "good.jsonl"]\n',
}
BAD = [
    (["--drafter", "ngrm"], "no drafter is called 'ngrm'", "Did you mean 'ngram'?"),
    (["--drafter", "ngram,max_ngrm=3"], "no option of drafter 'ngram' is called 'max_ngrm'", "'max_ngram'?"),
    (["--drafter", "ngram,max_ngram=x"], "max_ngram cannot be 'x'", "integer"),
    (["--drafter", "model"], "drafter 'model' needs a model", "model:NAME"),
    (["--drafter", "model:distilgpt"], "no model is called 'distilgpt'", "Did you mean 'distilgpt2'?"),
    (["--drafter", "eagle"], "drafter 'eagle' needs a head", "eagle:FOLDER"),
    (["--drafter", "eagle:./nowhere"], "there is no folder ./nowhere", "owner/name"),
    (["--drafter", "eagle:.", "--target", "toy"], "is no model folder", "saved model"),
    (["--drafter", "lookup"], "drafter 'lookup' needs another drafter", "lookup+model:NAME"),
    (["--drafter", "lookup+none"], "nobody who drafts where lookup finds nothing", "lookup+model:NAME"),
    (["--drafter", "lookup+modl:toy"], "no drafter is called 'modl'", "Did you mean 'model'?"),
    (["--drafter", "lookup+model:toy,lookup_ngram=3"], "is called 'lookup_ngram'", "'lookup_m"),
    (["--drafter", "lookup+model:toy,min_ngram=3"], "no option of drafter 'model' is called 'min_ngram'", "stop_"),
    (["--drafter", "lookup+model:toy,lookup_min_ngram=9"], "cannot match 9 to 5 tokens", "max_ngram"),
    (["--rule", "rejektion"], "no rule is called 'rejektion'", "Did you mean 'rejection'?"),
    (["--suite", "proze"], "no suite is called 'proze'", "Did you mean 'prose'?"),
    (["--target", "distilgpt"], "no model is called 'distilgpt'", "Did you mean 'distilgpt2'?"),
    (["--target", "./nowhere"], "there is no folder ./nowhere", "owner/name"),
    (["--target", "toy:much"], "toy 'much' is no number", "toy:0.5"),
    (["--gamma", "-1"], "--gamma cannot be -1", "from 0 to 256"),
    (["--gamma", "often"], "--gamma cannot be often", "or auto"),
    (["--gamma", "100000"], "--gamma cannot be 100000", "from 0 to 256"),
    (["--temperature", "-0.5"], "--temperature cannot be -0.5", "greater than or equal to 0"),
    (["--temperature", "nan"], "--temperature cannot be nan", "finite number"),
    (["--top-p", "0"], "--top-p cannot be 0.0", "greater than 0"),
    (["--top-p", "1.5"], "--top-p cannot be 1.5", "less than or equal to 1"),
    (["--repetition-penalty", "inf"], "--repetition-penalty cannot be inf", "finite number"),
    (["--max-new-tokens", "0"], "--max-new-tokens cannot be 0", "greater than or equal to 1"),
    (["--tensor-parallel", "1"], "--tensor-parallel cannot be 1", "greater than or equal to 2"),
    (["--tensor-parallel", "2", "--exact"], "--tensor-parallel cannot be 2", "leave --exact out"),
    (["--tensor-parallel", "2", "--device", "cpu"], "--tensor-parallel cannot be 2", "leave --device out"),
    (["--tensor-parallel", "2", "--target", "toy"], "a toy has no layers", "Leave out --tensor-parallel"),
    (["--dtype", "float8"], "--dtype cannot be float8", "bfloat16"),
    (["--stop", ""], "--stop cannot be", "may not be empty"),
    (["--suite", "empty.jsonl"], "the suite empty.jsonl has no prompts", "A line looks like"),
    (["--suite", "malformed.jsonl"], "malformed.jsonl, line 2 is not valid JSON", "A line looks like"),
    (["--suite", "twice.jsonl"], "twice.jsonl, line 2: the id 'a' occurs twice", "id of its own"),
    (["--suite", "good.jsonl", "--suite", "good.jsonl"], "the id 'a' occurs in suite good.jsonl", "differ"),
    (["--suite", "blank.jsonl"], "blank.jsonl, line 1: prompt: the prompt is empty", "A line looks like"),
    (["--suite", "nowhere.jsonl"], "cannot read the suite nowhere.jsonl", "path"),
    (["--suite", "long.jsonl"], "prompt 'a' of suite long.jsonl has 4096 tokens", "Shorten"),
    (["unknown.toml"], "no setting is called 'temprature'", "Did you mean 'temperature'?"),
    (["broken.toml"], "broken.toml is not valid TOML", "line 1"),
    (["nowhere.toml"], "cannot read the spec nowhere.toml", "No such file"),
    (["list.toml"], "the id 'a' occurs in suite good.jsonl", "differ"),
    (["--until", "2%", "--suite", "good.jsonl"], "--until needs at least 6 prompts", "--repetitions"),
    (["--until", "2%", "--drafter", "none"], "nothing drafts", "--drafter"),
    (["--budget", "5"], "--budget cannot be 5.0", "--until"),
    (["--resume"], "--resume does not know which run to finish", "--out"),
    (["--resume", "--out", "nowhere"], "nowhere is no run folder", "draftlab ls runs"),
]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)


def folders() -> list[str]:
    return [path.name for path in Path().iterdir() if path.is_dir()]


@pytest.mark.parametrize(("arguments", "what", "remedy"), BAD, ids=[" ".join(arguments) for arguments, *_ in BAD])
def test_bench_refuses_it(draftlab: Command, arguments: list[str], what: str, remedy: str) -> None:
    target = [] if "--target" in arguments else ["--target", "toy"]
    out = [] if "--resume" in arguments else ["--out", "run"]
    result = draftlab("bench", *target, *out, "--json", *arguments)
    assert result.status == 2
    assert result.out == ""
    assert what in result.error
    assert remedy in result.error
    assert folders() == []


@pytest.mark.parametrize(
    ("arguments", "what"), [(["--out", "run"], "already a run in run"), (["--out", "full"], "full")]
)
def test_bench_never_writes_over_anything(draftlab: Command, arguments: list[str], what: str) -> None:
    toy = ("bench", "--target", "toy", "--suite", "good.jsonl", "--max-new-tokens", "3")
    assert draftlab(*toy, "--out", "run").status == 0
    Path("full").mkdir()
    Path("full/mine.txt").write_text("mine")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = draftlab(*toy, *arguments)
    assert (result.status, result.out) == (2, "")
    assert what in result.error
    assert result.err == result.error + "\n"  # told before any model is loaded
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "what"), [(["nowhere"], "nowhere is no run folder"), (["full"], "full is no run")]
)
def test_report_refuses_what_is_no_run(draftlab: Command, arguments: list[str], what: str) -> None:
    Path("full").mkdir()
    result = draftlab("report", *arguments, "--json")
    assert (result.status, result.out) == (2, "")
    assert what in result.error


def test_ls_refuses_what_it_cannot_list(draftlab: Command) -> None:
    result = draftlab("ls", "drafter")
    assert (result.status, result.out) == (2, "")
    assert "Did you mean 'drafters'?" in result.error


def test_a_name_cannot_drive_the_terminal(draftlab: Command) -> None:
    result = draftlab("bench", "--target", "toy", "--drafter", "\x1b[31mred\nline")
    assert "\x1b" not in result.err
    assert "␛[31mred line" in result.error


@pytest.mark.parametrize("message", ["", "tried to allocate 9 GiB\nsecond line"])
def test_too_little_memory_is_told_in_one_line(
    draftlab: Command, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise MemoryError(message)

    monkeypatch.setattr("draftlab.api.run", full)
    result = draftlab("bench", "--target", "toy", "--out", "run")
    assert result.status == 2
    assert result.error.startswith("error: out of memory")
    assert "--dtype bfloat16" in result.error


def test_a_defect_of_draftlab_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A traceback is what we want to be sent; only what a user can act on becomes one line."""

    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("draftlab.api.run", broken)
    monkeypatch.setattr(sys, "argv", ["draftlab", "bench", "--target", "toy", "--out", "run"])
    with pytest.raises(RuntimeError, match="a defect"):
        main()
