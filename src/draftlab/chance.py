"""The only source of randomness.

A draw is addressed by (seed, round, purpose, position) in a counter-based generator, Philox 4x64 (Salmon et al.
2011), so that no draw is ever used for two purposes, and none on which an earlier round was conditioned is used
again.
"""

from __future__ import annotations

from hashlib import blake2b

from numpy.random import Generator, Philox

from draftlab.types import Purpose, Row

_PURPOSES: dict[Purpose, int] = {"draft": 0, "accept": 1, "target": 2}


def derive_seed(seed: int, *keys: object) -> int:
    """A 63-bit seed for one part of a run, the same on every machine."""
    text = "\x1f".join(str(part) for part in (seed, *keys))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


class PhiloxChance:
    """The chance of one decode, from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def round(self, index: int) -> PhiloxRng:
        """The chance of round `index`."""
        return PhiloxRng(self.seed, index)


class PhiloxRng:
    """The chance of one round."""

    def __init__(self, seed: int, index: int) -> None:
        self._seed = seed
        self._index = index

    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        """Draw a token from `row` by inversion."""
        return row.quantile(self._uniform(purpose, position))

    def accept(self, probability: float, position: int) -> bool:
        """True with `probability`."""
        return self._uniform("accept", position) < probability

    def _uniform(self, purpose: Purpose, position: int) -> float:
        # The lowest counter word stays free for the generator's own steps.
        counter = [0, position, self._index, _PURPOSES[purpose]]
        return float(Generator(Philox(key=[self._seed, 0], counter=counter)).random())
