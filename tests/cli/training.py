"""A tiny target and texts to train on, for tests of `draftlab train`."""

from __future__ import annotations

import random
from pathlib import Path

from tests.models.saved import save, sentence
from tests.models.tiny import REAL, SEEDS, WIDTH, random_network, tiny_config


def save_target_and_data(folder: Path, num_texts: int) -> None:
    """`target` and `data` in `folder`."""
    save(random_network(tiny_config("llama", WIDTH, context=512), seed=SEEDS["llama"]), folder / "target")
    rng = random.Random(3)
    (folder / "data").mkdir()
    for number in range(num_texts):
        words = sentence(rng.choices(range(2, REAL), k=24))
        (folder / "data" / f"{number}.txt").write_text(words, encoding="utf-8")
