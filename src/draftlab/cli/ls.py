"""`draftlab ls`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.report.printable import printable_line


def ls(
    what: Annotated[str, typer.Argument(help="drafters, rules, engines, suites, models or runs.", show_default=False)],
    folder: Annotated[Path, typer.Option("--folder", help="Where to look for runs.")] = Path("runs"),
) -> None:
    """List the drafters, rules, engines, suites, models or runs by name."""
    tables: dict[str, Callable[[], dict[str, str]]] = {
        "drafters": _drafters,
        "rules": _rules,
        "engines": _engines,
        "suites": _suites,
        "models": _models,
        "runs": lambda: _runs(folder),
    }
    if what not in tables:
        raise UnknownNameError("list", what, tables)
    rows = tables[what]()
    width = max((len(name) for name in rows), default=0)
    for name, summary in rows.items():
        print(printable_line(f"{name:{width}}  {summary}"))
    if not rows:
        print(f"no {what} here")


def _drafters() -> dict[str, str]:
    from draftlab.drafters import DRAFTERS

    return {name: entry.summary for name, entry in DRAFTERS.entries().items()}


def _rules() -> dict[str, str]:
    from draftlab.rules import RULES

    return {name: entry.summary for name, entry in RULES.entries().items()}


def _engines() -> dict[str, str]:
    from draftlab.engines import ENGINES

    return {name: entry.summary for name, entry in ENGINES.entries().items()}


def _suites() -> dict[str, str]:
    from draftlab.suites import BUILT_IN

    return {**BUILT_IN, "FILE.jsonl": "your own prompts, or a question.jsonl of MT-bench or Spec-Bench"}


def _models() -> dict[str, str]:
    from draftlab.models import CATALOGUE

    return {name: entry.role if entry.folder else f"{entry.hub_id}: {entry.role}" for name, entry in CATALOGUE.items()}


def _runs(folder: Path) -> dict[str, str]:
    from draftlab.store import list_runs

    rows = {}
    for store in list_runs(folder):
        try:
            manifest = store.manifest()
            num_done = sum(1 for _ in store.traces())
            facts = f"{manifest.created}  {manifest.target['source']}  {', '.join(manifest.suites)}  {num_done} traces"
        except DraftlabError as error:  # one that cannot be read must not hide the others
            facts = str(error)
        rows[str(store.folder)] = facts
    return rows
