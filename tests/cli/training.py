"""A tiny target and texts to train on, and training that does not hang on the clock, for tests of `draftlab train`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from draftlab.train import capture, run
from draftlab.train.learning import Schedule
from tests.models.saved import save, sentence
from tests.models.tiny import REAL, SEEDS, WIDTH, random_network, tiny_config

ROWS = 16
"""Texts that are written together, where the clock does not decide it."""


def save_target_and_data(folder: Path, num_texts: int, shortest: int = 24) -> None:
    """`target` and `data` in `folder`; the last name of the data decides what is held out, so it is always that."""
    save(random_network(tiny_config("llama", WIDTH, context=512), seed=SEEDS["llama"]), folder / "target")
    rng = random.Random(3)
    (folder / "data").mkdir()
    for number in range(num_texts):
        words = sentence(rng.choices(range(2, REAL), k=rng.randint(shortest, 24)))
        (folder / "data" / f"{number}.txt").write_text(words, encoding="utf-8")


@contextmanager
def as_on_any_machine(depths: tuple[int, ...], steps: tuple[int, ...]) -> Iterator[None]:
    """What follows from the clock is given: batches of ROWS texts, a second for each, and so many steps of learning."""
    seconds = count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "rows_for", lambda *_, **__: ROWS)
        patch.setattr(capture, "monotonic", lambda: float(next(seconds)))
        patch.setattr(run, "plan_steps", lambda *_, **__: Schedule(depths, steps))
        yield
