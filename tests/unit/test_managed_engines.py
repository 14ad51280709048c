"""What each engine is started with, plain and speculative."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from draftlab.managed import run
from draftlab.managed.engines import ENGINES, PORT, launch
from draftlab.managed.run import plan_of
from tests.unit.managing import an_experiment


@pytest.mark.parametrize(
    ("engine", "drafter"),
    [*itertools.product(sorted(ENGINES), ["ngram", "model"]), ("vllm", "eagle"), ("sglang", "eagle")],
)
def test_plain_and_speculative_differ_by_speculation_alone(tmp_path: Path, engine: str, drafter: str) -> None:
    text = "ngram" if drafter == "ngram" else f"{drafter}:{tmp_path / 'target'}"
    plan = plan_of(an_experiment(tmp_path, engine=engine, drafters=(text,)))
    launches = [launch(ENGINES[engine], "program", each) for each in (run.without_drafter(plan), plan)]
    plain, drafted = ([*each.command, *(each.config or "").splitlines()] for each in launches)
    assert plain[0] == drafted[0] == "program"
    added = [word for word in drafted if word not in plain]
    assert added
    assert all("spec" in word or word in ("-md", "summary") or not word.startswith("--") for word in added)
    assert [each.config is None or PORT not in each.config for each in launches] == [True, True]
    assert [word for word in plain if word not in drafted] == []
    assert plain.count(PORT) == drafted.count(PORT) == 1
    assert "127.0.0.1" in plain and "127.0.0.1" in drafted


def test_what_tensorrt_llm_is_told_stands_in_a_file_beside_the_log(tmp_path: Path) -> None:
    target = str(tmp_path / "target")
    plan = plan_of(an_experiment(tmp_path, engine="trtllm", drafters=(f"model:{target}",)))
    made = launch(ENGINES["trtllm"], "trtllm-serve", plan)
    assert made.words(80, Path("/logs/x.yaml")) == [
        "trtllm-serve", target, "--backend", "pytorch", "--host", "127.0.0.1", "--port", "80", "--config",
        "/logs/x.yaml",
    ]  # fmt: skip
    assert made.config is not None and made.config.startswith("speculative_config:\n  decoding_type: Draft_Target\n")
    assert made.facts == {"command": list(made.command), "config": made.config}
    plain = launch(ENGINES["trtllm"], "trtllm-serve", run.without_drafter(plan)).config
    assert plain is not None and made.config.endswith(plain) and plain.startswith("disable_overlap_scheduler: true\n")


def test_the_users_own_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    given = ENGINES["vllm"].environment(tmp_path / "bin" / "python")
    assert "VLLM_CPU_KVCACHE_SPACE" not in given
    assert given["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "7"
