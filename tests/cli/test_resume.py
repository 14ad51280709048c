"""A run that is killed, interrupted or partly failed loses nothing and does nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.records import Trace
from draftlab.store import Store
from tests.cli.conftest import Command

NUM_PROMPTS = 20
NUM_TRACES = 3 * NUM_PROMPTS + 6  # two baselines, one drafted arm, and the baseline again at the end
BENCH = (
    "bench",
    "--target",
    "toy",
    "--suite",
    "many.jsonl",
    "--out",
    "run",
    "--ignore-eos",
    "--max-new-tokens",
    "1000",
)
# A shell may have made its children deaf to Ctrl-C; the test must not depend on where it is started from.
CHILD = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom draftlab.cli import main; main()"


@pytest.fixture(autouse=True)
def _many(tmp_path: Path) -> None:
    rows = [{"id": f"p{i}", "category": "code", "prompt": f"prompt {i}: "} for i in range(NUM_PROMPTS)]
    (tmp_path / "many.jsonl").write_text("\n".join(map(json.dumps, rows)))


@contextmanager
def running(folder: Path, *arguments: str, until: int) -> Iterator[subprocess.Popen[str]]:
    """A bench in a process of its own, as soon as it has kept `until` traces."""
    command = [sys.executable, "-c", CHILD, *arguments]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = folder / "run" / "traces.jsonl"
        while not (lines.exists() and lines.read_bytes().count(b"\n") >= until):
            assert child.poll() is None, child.communicate()
            time.sleep(0.02)
        yield child
    finally:
        child.kill()
        child.communicate()


def traces() -> list[Trace]:
    return list(Store.open(Path("run")).traces())


def require_whole(draftlab: Command, before: Sequence[Trace]) -> None:
    """The run in `run` is complete, each decode is there once, and what was there before is unchanged."""
    after = traces()
    assert after[: len(before)] == list(before)
    assert len(after) == NUM_TRACES
    assert len({trace.key for trace in after}) == NUM_TRACES
    assert all(trace.status == "ok" and len(trace.tokens) == 1000 for trace in after)
    report = draftlab("report", "run", "--json").document
    assert report["complete"] is True
    assert report["arms"][0]["identical"] == NUM_PROMPTS


def test_a_killed_run_is_finished_and_nothing_is_done_twice(draftlab: Command, tmp_path: Path) -> None:
    with running(tmp_path, *BENCH, until=4) as child:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    before = traces()
    assert 4 <= len(before) < NUM_TRACES
    assert draftlab("report", "run", "--json").document["complete"] is False
    assert "not complete" in draftlab("report", "run").out
    with (tmp_path / "run" / "traces.jsonl").open("ab") as file:
        file.write('{"arm": "none", "text": "é'.encode()[:-1])  # what a kill in the middle of a write leaves
    resumed = draftlab(*BENCH, "--resume", "--json")
    assert resumed.status == 0
    assert f"{len(before)} of them done before" in resumed.err
    require_whole(draftlab, before)


def test_ctrl_c_says_how_to_go_on_and_that_is_how_it_goes_on(draftlab: Command, tmp_path: Path) -> None:
    with running(tmp_path, *BENCH, until=4) as child:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate()
        assert child.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    command = err.splitlines()[-1].partition("interrupted; finish it with: draftlab ")[2]
    assert command == "bench --resume --out run"
    before = traces()
    assert 4 <= len(before) < NUM_TRACES
    assert draftlab(*command.split()).status == 0
    require_whole(draftlab, before)


def test_a_run_has_one_writer_at_a_time(draftlab: Command, tmp_path: Path) -> None:
    with running(tmp_path, *BENCH, until=1) as child:
        os.kill(child.pid, signal.SIGSTOP)  # it keeps its lock and cannot end before we look
        second = draftlab(*BENCH, "--resume", "--json")
    assert (second.status, second.out) == (2, "")
    assert "another process is writing to run" in second.error


SHORT = (*BENCH[:-1], "5")


def test_a_prompt_that_cannot_be_decoded_fails_alone(draftlab: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is kept, counted, shown and told by the status, and a resumed run does not try it again."""
    forward = ToyModel.forward
    seventh = ToyTokenizer().encode("prompt 7: ")[:-1]  # the last token is always pending

    def fails_on_seven(self: ToyModel, tokens: Sequence[int], num_rows: int | None = None) -> object:
        if list(tokens) == seventh:
            raise ArithmeticError("seven")
        return forward(self, tokens, num_rows)

    monkeypatch.setattr(ToyModel, "forward", fails_on_seven)
    result = draftlab(*SHORT, "--json")
    assert result.status == 1
    failed = [trace for trace in traces() if trace.status == "failed"]
    assert sorted((trace.arm, trace.prompt_id) for trace in failed) == [
        ("ngram gamma=5", "p7"), ("none", "p7"), ("none again", "p7"),
    ]  # fmt: skip
    assert {trace.error for trace in failed} == {"ArithmeticError: seven"}
    assert len(traces()) == NUM_TRACES
    arm = result.document["arms"][-1]
    assert (arm["num_prompts"], arm["num_failed"], arm["compared"]) == (NUM_PROMPTS - 1, 1, NUM_PROMPTS - 1)
    assert result.document["baseline"]["num_failed"] == 2
    assert "failed: p7, none, repetition 0: ArithmeticError: seven" in draftlab("report", "run").out
    before = traces()
    assert draftlab(*SHORT, "--resume").status == 1
    assert traces() == before


def test_an_interruption_before_anything_was_kept_promises_nothing(
    draftlab: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("draftlab.api.run", interrupted)
    result = draftlab(*SHORT)
    assert (result.status, result.out) == (130, "")
    assert result.err.splitlines()[-1] == "interrupted; nothing was written"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--gamma", "3"], "was started with gammas = 5, not 3"),
        (["--seed", "9"], "was started with seed = 0, not 9"),
        (["--max-new-tokens", "6"], "was started with max_new_tokens = 5, not 6"),
        (["--drafter", "none"], "was started with drafters = ngram, not none"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(draftlab: Command, changed: list[str], message: str) -> None:
    draftlab(*SHORT, "--json")
    before = traces()
    result = draftlab(*SHORT, *changed, "--resume", "--json")
    assert (result.status, result.out) == (2, "")
    assert message in result.error
    assert traces() == before


def test_defaults_may_be_spelled_out_when_a_run_is_resumed(draftlab: Command) -> None:
    draftlab(*SHORT, "--json")
    result = draftlab(*SHORT, "--gamma", "5", "--drafter", "ngram", "--seed", "0", "--resume", "--json")
    assert result.status == 0, result.err


def test_a_run_whose_prompts_have_changed_is_not_resumed(draftlab: Command, tmp_path: Path) -> None:
    draftlab(*SHORT, "--json")
    content = (tmp_path / "many.jsonl").read_text()
    (tmp_path / "many.jsonl").write_text(content.replace("prompt 3: ", "another: "))
    result = draftlab("bench", "--out", "run", "--resume", "--json")
    assert (result.status, result.out) == (2, "")
    assert "decodes something else" in result.error


def test_a_run_from_before_the_second_baseline_is_finished_as_it_was_begun(draftlab: Command, tmp_path: Path) -> None:
    draftlab(*SHORT, "--no-control", "--json")
    manifest = tmp_path / "run" / "manifest.json"
    content = json.loads(manifest.read_text())
    for name in ("warm_up", "goal"):
        del content[name]
    del content["experiment"]["control"]
    manifest.write_text(json.dumps({**content, "schema": 1}))
    lines = (tmp_path / "run" / "traces.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "run" / "traces.jsonl").write_text("".join(lines[:-3]))
    for arguments in (["bench", "--resume", "--out", "run"], [*SHORT, "--resume"]):
        result = draftlab(*arguments)
        assert result.status == 0, result.err
    assert len(traces()) == len(lines)
