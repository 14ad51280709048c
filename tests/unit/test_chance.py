"""Randomness: reproducible, addressed, fair."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
import torch
from numpy.random import Generator, Philox

from draftlab.chance import PhiloxChance, derive_seed
from draftlab.distributions import DenseRow
from draftlab.types import Purpose

PURPOSES: list[Purpose] = ["draft", "accept", "target"]


class Fine:
    """A row so fine that its token shows the uniform number behind a draw."""

    def quantile(self, u: float) -> int:
        return int(u * 2**53)


def number(seed: int, index: int, purpose: Purpose, position: int) -> int:
    return PhiloxChance(seed).round(index).draw(Fine(), purpose, position)  # type: ignore[arg-type]


def test_no_two_addresses_share_a_draw() -> None:
    places = list(product([0, 1, 2**62], [0, 1, 500], PURPOSES, [0, 1, 17]))
    assert len({number(*place) for place in places}) == len(places)


def test_an_address_always_gives_the_same_draw() -> None:
    # Pinned: a seed has to mean the same text on every machine and in every version.
    assert number(7, 3, "target", 2) == number(7, 3, "target", 2) == 5325523829852123


def test_draws_follow_their_row() -> None:
    row = DenseRow(torch.tensor([0.5, 0.2, 0.0, 0.3]))
    found = Counter(PhiloxChance(1).round(i).draw(row, "target", 0) for i in range(4000))
    assert found[2] == 0
    for token, share in ((0, 0.5), (1, 0.2), (3, 0.3)):
        assert found[token] / 4000 == pytest.approx(share, abs=0.04)  # five standard errors


def test_coins_follow_their_probability() -> None:
    tosses = [PhiloxChance(2).round(i).accept(0.3, 0) for i in range(4000)]
    assert sum(tosses) / 4000 == pytest.approx(0.3, abs=0.04)
    assert all(PhiloxChance(2).round(i).accept(1.0, 0) for i in range(100))
    assert not any(PhiloxChance(2).round(i).accept(0.0, 0) for i in range(100))


def test_derived_seeds_differ_by_every_part_and_stay_what_they_are() -> None:
    seeds = {derive_seed(0), derive_seed(1), derive_seed(0, "a"), derive_seed(0, "a", 1), derive_seed(0, "a1")}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "code/a", 1) == 7827627556928727882


def test_a_draw_depends_on_its_address_alone_and_is_that_of_the_counter_based_generator() -> None:
    """Runs that are resumed, and texts that are replayed, draw again what they drew."""
    chance = PhiloxChance(2**62 + 5)
    for index, position in ((3, 0), (0, 4), (3, 0)):
        fresh = Generator(Philox(key=[2**62 + 5, 0], counter=[0, position, index, 0])).random()
        row = DenseRow(torch.full((1000,), 1e-3, dtype=torch.float64))
        assert chance.round(index).draw(row, "draft", position) == int(1000 * fresh)
