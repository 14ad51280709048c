"""What `draftlab train` refuses, each in one line and with status 2."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from draftlab.cli import main
from draftlab.cli.train import _show
from draftlab.train.held_out import Point
from draftlab.train.processes import ALONE, Processes
from draftlab.train.run import Trained
from draftlab.train.settings import TrainSettings
from draftlab.train.state import Trusted, begin
from tests.cli.conftest import Command


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--target", "toy"], "shows no hidden states"),
        (["--loss", "mse"], "--loss cannot be 'mse'"),
        (["--minutes", "0"], "--minutes cannot be"),
        (["--layers", "low,high"], "--layers cannot be 'low,high'"),
        (["--resume"], "--resume needs --out"),
        (["--student", "tree"], "--student cannot be 'tree'"),
        (["--position-decay", "0"], "--position-decay cannot be 0"),
        (["--on-policy", "1.5", "--student", "model"], "--on-policy cannot be 1.5"),
        (["--num-layers", "0", "--student", "model"], "--num-layers cannot be 0"),
        (["--from-layers", "first", "--student", "model"], "--from-layers cannot be 'first'"),
        (["--num-layers", "2"], "--num-layers is for --student model"),
        (["--layers", "1,2", "--student", "model"], "--layers is for --student head"),
        (["--num-layers", "2", "--from-layers", "0,1", "--student", "model"], "--from-layers names the layers already"),
        (["--target", "no/such/folder"], "no/such/folder"),
        (["--start-from", "ngram"], "training can begin with a head, and 'ngram' names none"),
        (["--start-from", "drafters/mine"], "training can begin with a head, and 'drafters/mine' names none"),
        (["--start-from", "eagle:no/such/folder"], "no/such/folder"),
        (["--start-from", "eagle:smollm2-135m-eagle3", "--layers", "10,20"], "--layers is for a new head"),
        (["--out", "1,2"], "--out cannot be '1,2': a comma ends the name of a drafter"),
        (["--from", "."], "is no run folder"),
        (["--from", ".", "--resume", "--out", "o"], "--resume needs --out, and takes every setting"),
    ],
)
def test_refusals(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["draftlab", "train", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(errors) == 1
    assert reason in errors[0]


def test_a_folder_without_a_run_cannot_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["draftlab", "train", "--resume", "--out", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there is no training run" in capsys.readouterr().err


class Called:
    """Stands in the place of training, and is interrupted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: dict[str, Any] = {}
        self.device = ""
        monkeypatch.setattr("draftlab.train.run.train", self._train)
        monkeypatch.setattr("draftlab.train.processes.Processes.launched", self._launched)

    def _train(self, *_: object, **given: Any) -> None:
        self.given = given
        raise KeyboardInterrupt

    def _launched(self, device: str) -> Processes:
        self.device = device
        return ALONE


@pytest.mark.parametrize("flags", [(), ("--trust-remote-code",), ("--trust-remote-code", "--allow-pickle")])
def test_resuming_takes_the_device_from_the_run_and_trust_from_the_call(
    flags: tuple[str, ...], draftlab: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusting = {"trust_remote_code": True, "allow_pickle": True}
    begin(TrainSettings(target="toy", device="cuda:7", **trusting), tmp_path / "a run", keep=True)
    called = Called(monkeypatch)
    ended = draftlab("train", "--resume", "--out", "a run", *flags)
    assert ended.status == 130
    assert called.device == "cuda:7"
    assert called.given["trusted"] == Trusted("--trust-remote-code" in flags, "--allow-pickle" in flags)
    assert f"go on with: {' '.join(['draftlab train --resume --out', repr('a run'), *flags])}\n" in ended.err


def test_the_last_line_is_a_command_as_a_shell_takes_it(capsys: pytest.CaptureFixture[str]) -> None:
    point = Point(step=9, loss=0.1, accepted=(0.5,), judged=(9,), tokens_a_round=(1.5,), gamma=2, speedup=1.2)
    _show(Trained(Path("my drafters/one"), 10, [point], "eagle", "./a target"))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("measure it: ")
    assert shlex.split(last.removeprefix("measure it: ")) == [
        "draftlab", "bench", "--drafter", "eagle:my drafters/one", "--gamma", "2", "--target", "./a target",
    ]  # fmt: skip


def test_a_run_that_teaches_nothing_is_refused(draftlab: Command, mine: str) -> None:
    bench = ("bench", "--target", "toy", "--gamma", "1", "--max-new-tokens", "2", "--phases", "0")
    assert draftlab(*bench, "--suite", "notebook", "--out", "judging").status == 0
    assert draftlab(*bench, "--suite", mine, "--out", "own").status == 0
    assert (
        "none of the drafters of own is a head that could learn on: ngram" in draftlab("train", "--from", "own").error
    )
    start = ("--start-from", "eagle:smollm2-135m-eagle3", "--out", "made")
    assert "all 3 prompts of judging are of the built-in suites (notebook)" in (
        draftlab("train", "--from", "judging", *start).error
    )
    assert "shows no hidden states" in draftlab("train", "--from", "own", *start).error
