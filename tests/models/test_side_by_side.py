"""`benchmarks/side_by_side` from end to end on a tiny pair, with a worker that stands for vLLM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks.side_by_side import vllm_engine
from benchmarks.side_by_side.__main__ import main
from benchmarks.side_by_side.arms import parse
from benchmarks.side_by_side.decodes import Folder

from draftlab.errors import DraftlabError
from tests.models.saved import save, sentence
from tests.models.tiny import WIDTH, derived_network, tiny_family

ARMS = "transformers,assisted-default,assisted-2,eager-plain,eager-2,fast-plain,fast-2,fast-auto"
STAND_IN = """
import json, sys
asked = json.loads(sys.stdin.readline())
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["num_tokens"] > 90:
        break
    print(json.dumps({"tokens": asked["prompt"][:1] * asked["num_tokens"], "seconds": 0.5}), flush=True)
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The arguments of a small measurement."""
    network = tiny_family("llama").network
    prompts = [[5, 9, 7, 3], [8, 8, 2]]
    lines = [f'{{"id": "{i}", "prompt": "{sentence(tokens)}"}}\n' for i, tokens in enumerate(prompts)]
    (tmp_path / "own.jsonl").write_text("".join(lines))
    return [
        *("--target", str(save(network, tmp_path / "target"))),
        *("--drafter", str(save(derived_network(network, WIDTH, noise=0.03), tmp_path / "drafter"))),
        *("--suite", str(tmp_path / "own.jsonl"), "--out", str(tmp_path / "out")),
        *("--dtype", "float32", "--max-new-tokens", "8"),
    ]


def test_every_arm_writes_the_same_text(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*words, "--arms", f"{ARMS},vllm"])
    assert "vllm is left out" in capsys.readouterr().out
    decodes = list(Folder(tmp_path / "out").decodes())
    assert len(decodes) == 2 * 8
    for prompt in ("0", "1"):
        texts = {decode.tokens for decode in decodes if decode.prompt_id == prompt}
        assert len(texts) == 1 and len(texts.pop()) == 8
    assert all(decode.seconds > 0 for decode in decodes)
    (session,) = Folder(tmp_path / "out").sessions()
    assert session.loaded["eager"]["target"] == {"linear": "plain"}


def test_a_second_start_adds_what_is_missing(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, "--arms", "transformers"])
    main([*words, "--arms", "transformers,eager-2"])
    decodes = list(Folder(tmp_path / "out").decodes())
    assert sorted(decode.arm for decode in decodes) == ["eager-2"] * 2 + ["transformers-plain"] * 2
    main([*words, "--arms", "transformers,eager-2"])
    assert "has all 4 decodes" in capsys.readouterr().out


def test_a_worker_is_asked_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(STAND_IN)
    monkeypatch.setattr(vllm_engine, "WORKER", worker)
    asked = {"model": str(tmp_path), "drafter": None}
    engine = vllm_engine.VllmEngine.start(parse("vllm-plain"), Path(sys.executable), asked, 1, tmp_path / "log")
    assert engine([7, 1], 3) == ((7, 7, 7), 0.5)
    assert engine([4], 2).tokens == (4, 4)
    assert 0.0 <= engine.idle_share < 1.0
    with pytest.raises(DraftlabError, match="vllm-plain ended before it answered"):
        engine([4], 91)
    engine.close()
    assert engine.process.returncode == 0


def test_bad_arms_are_refused_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*words, "--arms", "fastest"])
    assert capsys.readouterr().err.startswith("error: no arm is called 'fastest'\nhint: ")
