"""The only source of randomness.

A draw is addressed by (seed, round, purpose, position) in a counter-based generator, Philox 4x64 (Salmon et al.
2011), so that no draw is ever used for two purposes, and none on which an earlier round was conditioned is used
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from draftlab.errors import ContractError
from draftlab.types import Chance, Purpose, Row

_PURPOSES: dict[Purpose, int] = {"draft": 0, "accept": 1, "target": 2}
_NOISE = 3  # the counter word of noise that belongs to a place of the text


def derive_seed(seed: int, *keys: object) -> int:
    """A 63-bit seed for one part of a run, the same on every machine."""
    text = "\x1f".join(str(part) for part in (seed, *keys))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def make_chance(seed: int, coupled: bool) -> Chance:
    """The chance of one decode; `coupled` is what the rule says of itself."""
    return CoupledChance(seed) if coupled else PhiloxChance(seed)


class PhiloxChance:
    """The chance of one decode, from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # One generator that is set to each draw's address: a new one asks the system for entropy that nobody needs.
        self._bits = Philox(key=[seed, 0])
        self._generator = Generator(self._bits)
        self._state = self._bits.state  # as it is before anything was drawn

    def round(self, index: int, length: int = 0) -> PhiloxRng:
        """The chance of round `index`."""
        return PhiloxRng(self, index)

    def uniform(self, counter: Sequence[int]) -> float:
        """The first number in [0, 1) at an address of four words."""
        self._state["state"]["counter"] = np.array(counter, dtype=np.uint64)
        self._bits.state = self._state
        return float(self._generator.random())


class PhiloxRng:
    """The chance of one round."""

    def __init__(self, chance: PhiloxChance, index: int) -> None:
        self._chance = chance
        self._index = index

    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        """Draw a token from `row` by inversion."""
        return row.quantile(self._uniform(purpose, position))

    def accept(self, probability: float, position: int) -> bool:
        """True with `probability`."""
        if not 0.0 < probability < 1.0:
            return probability >= 1.0  # no need to toss: greedy coins all fall as they must
        return self._uniform("accept", position) < probability

    def _uniform(self, purpose: Purpose, position: int) -> float:
        # The lowest counter word stays free for the generator's own steps.
        return self._chance.uniform((0, position, self._index, _PURPOSES[purpose]))


class CoupledChance:
    """Noise that belongs to a place of the text, whoever draws there: the drafter, the target, or plain decoding.

    So a drafter that thinks like the target draws the same token, and a speculative text equals the plain one of the
    same seed. A place's noise serves again when a later round comes back to it. That biases nothing as long as the
    text's token there is always the target's own winner of that noise (rule `coupled`), since no draft then decides a
    token.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._place: int | None = None
        self._times: NDArray[np.float64] = np.empty(0)

    def round(self, index: int, length: int = 0) -> CoupledRng:
        """The chance of a round that starts when the text has `length` tokens."""
        return CoupledRng(self, length)

    def times(self, place: int, width: int) -> NDArray[np.float64]:
        """The first `width` exponential times of a place; wider requests continue the same sequence."""
        if self._place != place or len(self._times) < width:
            generator = Generator(Philox(key=[self.seed, 0], counter=[0, 0, place, _NOISE]))
            self._place, self._times = place, generator.standard_exponential(width)
        return self._times[:width]


class CoupledRng:
    """The chance of one round under `CoupledChance`."""

    def __init__(self, chance: CoupledChance, length: int) -> None:
        self._chance = chance
        self._length = length

    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        """The winner of the race at the place of the text that `position` stands for; `purpose` does not matter."""
        place = self._length + position
        return row.race(lambda width: self._chance.times(place, width))

    def accept(self, probability: float, position: int) -> bool:
        raise ContractError("a coupled round tosses no coins: its tokens agree or they do not")
