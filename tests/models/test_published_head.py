"""`benchmarks/published_head` with every number of the published configurations divided: all of their ratios stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.published_head import PUBLISHED, Config, checks, head_config, target_config

HEADS, DIM = 8, 8  # by which the numbers of heads, and the width of each, are divided
DIVISORS = {
    "hidden_size": HEADS * DIM,
    "intermediate_size": HEADS * DIM,
    "vocab_size": HEADS * DIM,
    "draft_vocab_size": HEADS * DIM,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "head_dim": DIM,
}


def divided(config: Config) -> Config:
    assert all(config[key] % by == 0 for key, by in DIVISORS.items() if key in config)
    return {key: value // DIVISORS[key] if key in DIVISORS else value for key, value in config.items()}


@pytest.mark.parametrize("name", sorted(path.stem for path in PUBLISHED.glob("*.json")))
def test_a_published_configuration_loads_and_conforms(name: str, tmp_path: Path) -> None:
    found = list(checks(divided(head_config(name)), divided(target_config(name)), tmp_path))
    print(*found, sep="\n")
    assert [check for check in found if not check.passed] == []
    assert len(found) == 9


def test_the_ratios_are_those_that_are_published() -> None:
    config, target = (divided(build("qwen3-4b-eagle3")) for build in (head_config, target_config))
    assert config["head_dim"] * config["num_attention_heads"] == config["hidden_size"]
    assert target["head_dim"] * target["num_attention_heads"] != target["hidden_size"]
