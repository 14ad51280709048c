"""Whether memory holds both servers, or one at a time, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.managed import room
from draftlab.managed.run import plan_of, run_managed
from tests.unit.managing import an_experiment, be_impatient, let_memory_hold


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


@pytest.mark.parametrize(
    ("gib", "servers", "in_turn"),
    [(10.1, None, False), (9.9, None, True), (5.1, None, True), (100, "in-turn", True), (10.1, "together", False)],
)
def test_servers_take_turns_where_memory_does_not_hold_both_or_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gib: float, servers: str | None, in_turn: bool
) -> None:
    asked = an_experiment(tmp_path, servers=servers)
    let_memory_hold(monkeypatch, tmp_path, gib)
    said: list[str] = []
    assert room.take_turns(asked, plan_of(asked), said.append) is in_turn
    why = ["two servers of vllm need about 10.0 GiB"] if in_turn and servers is None else []
    assert [line.partition(", and")[0] for line in said] == why


@pytest.mark.parametrize(
    ("gib", "servers", "why"),
    [(4.9, None, "a server of vllm needs about 5.0 GiB, and 4.9 are free"), (4.9, "in-turn", "a server of vllm"),
     (9.9, "together", "two servers of vllm need about 10.0 GiB, and 9.9 are free")],
)  # fmt: skip
def test_what_memory_does_not_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gib: float, servers: str | None, why: str
) -> None:
    asked = an_experiment(tmp_path, servers=servers)
    let_memory_hold(monkeypatch, tmp_path, gib)
    with pytest.raises(DraftlabError, match=why):
        run_managed(asked, tmp_path / "run")
    assert not (tmp_path / "run").exists()
