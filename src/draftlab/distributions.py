"""Probability distributions over a vocabulary, as lean as they allow: a point mass is a token, all else a tensor.

Both answer the same questions (`draftlab.types.Row`), which is why neither the loop nor a rule has a greedy
branch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from draftlab.errors import ContractError
from draftlab.types import Distributions, Draft, Row

_LONG = 2**16  # tokens from which on it pays to add up by blocks
_BLOCK = 512  # tokens whose mass is added up at once
_EMPTY = 1e-12  # a residual with less mass than this is rounding: p and q are equal


class PointMass:
    """All probability on one token: greedy decoding, or a deterministic drafter."""

    __slots__ = ("token",)

    def __init__(self, token: int) -> None:
        self.token = token

    def probability(self, token: int) -> float:
        return 1.0 if token == self.token else 0.0

    def quantile(self, u: float) -> int:
        return self.token

    def support(self) -> list[tuple[int, float]]:
        return [(self.token, 1.0)]

    def minus(self, other: Row, scale: float = 1.0) -> Row:
        return self

    def excess(self, other: Row, scale: float = 1.0) -> float:
        return max(0.0, scale - other.probability(self.token))

    def entropy(self) -> float:
        return 0.0

    def race(self, times: Callable[[int], NDArray[np.float64]]) -> int:
        return self.token


class DenseRow:
    """A probability for every token."""

    __slots__ = ("mass",)

    def __init__(self, mass: Tensor) -> None:
        self.mass = mass  # [vocab], float32 or float64, sums to 1

    def probability(self, token: int) -> float:
        return float(self.mass[token]) if token < len(self.mass) else 0.0

    def quantile(self, u: float) -> int:
        mass = self.mass.cpu() if self.mass.device.type == "mps" else self.mass  # MPS has no float64
        if mass.device.type == "cpu" and len(mass) >= _LONG:
            return _by_blocks(mass, u)
        cumulative = mass.cumsum(0, dtype=torch.float64)
        # Scaled by the true total, so that rounding in the softmax cannot push `u` past the end.
        at = torch.searchsorted(cumulative, cumulative[-1:] * u, right=True)
        token = int(at)
        return token if token < len(self.mass) else int(self.mass.nonzero()[-1])

    def support(self) -> list[tuple[int, float]]:
        tokens = self.mass.nonzero().flatten()
        mass = self.mass[tokens].double()
        return list(zip(tokens.tolist(), (mass / mass.sum()).tolist(), strict=True))

    def minus(self, other: Row, scale: float = 1.0) -> Row:
        rest = self._over(other, scale)
        total = rest.sum()
        return DenseRow(rest.div_(total)) if float(total) > _EMPTY else self

    def excess(self, other: Row, scale: float = 1.0) -> float:
        return float(self._over(other, scale).sum())

    def entropy(self) -> float:
        return float(torch.special.entr(self.mass).sum())

    def race(self, times: Callable[[int], NDArray[np.float64]]) -> int:
        mass = self.mass.double().cpu()
        return int((mass / torch.as_tensor(times(len(mass)), dtype=torch.float64)).argmax())

    def _over(self, other: Row, scale: float) -> Tensor:
        """max(0, scale * self - other); beyond the width of either, that row is 0."""
        rest = self.mass * scale  # [vocab], a new tensor
        match other:
            case PointMass() if other.token < len(rest):
                rest[other.token] -= 1.0
            case PointMass():
                pass
            case DenseRow():
                width = min(len(rest), len(other.mass))
                rest[:width] -= other.mass[:width].to(rest)
            case _:
                raise ContractError(f"cannot subtract a {type(other).__name__} from a distribution")
        return rest.clamp_(min=0)


def _by_blocks(mass: Tensor, u: float) -> int:
    """The token at `u` of `mass` [vocab]: first the block that holds it, then its place there.

    The masses of a whole vocabulary are added up one after the other on a CPU, those of blocks several at a time.
    """
    whole = len(mass) - len(mass) % _BLOCK
    sums = mass[:whole].reshape(-1, _BLOCK).sum(-1, dtype=torch.float64)
    cumulative = torch.cat([sums, mass[whole:].sum(0, keepdim=True, dtype=torch.float64)]).cumsum(0)
    goal = float(cumulative[-1]) * u
    block = int(torch.searchsorted(cumulative, goal, right=True))
    start, end = block * _BLOCK, (block + 1) * _BLOCK
    if block < len(cumulative):
        within = mass[start:end].cumsum(0, dtype=torch.float64)
        before = float(cumulative[block - 1]) if block else 0.0
        at = int(torch.searchsorted(within, goal - before, right=True))
        if at < len(within):
            return start + at
    return int(mass[:end].nonzero()[-1])  # rounded past the end of its block


class PointMasses:
    """A point mass per position."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = tokens

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, index: int) -> Row:
        return PointMass(self._tokens[index])

    def probabilities(self, tokens: Sequence[int]) -> list[float]:
        return [float(mine == token) for mine, token in zip(self._tokens, tokens, strict=False)]


class Dense:
    """A dense row per position; the rows may be views of one tensor."""

    def __init__(self, rows: Sequence[Tensor]) -> None:
        self._rows = rows  # n rows of [vocab]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return DenseRow(self._rows[index])

    def probabilities(self, tokens: Sequence[int]) -> list[float]:
        masses = [
            row[token] if token < len(row) else row.new_zeros(())
            for row, token in zip(self._rows, tokens, strict=False)
        ]
        return torch.stack(masses).tolist() if masses else []  # one read of the device


def join(rows: Sequence[Row]) -> Distributions:
    """Rows of one kind as `Distributions`, without copying them."""
    dense = [row.mass for row in rows if isinstance(row, DenseRow)]
    if len(dense) == len(rows):
        return Dense(dense)
    points = [row.token for row in rows if isinstance(row, PointMass)]
    if len(points) == len(rows):
        return PointMasses(points)
    raise ContractError("rows of several kinds cannot be joined")


def proposal(draft: Draft) -> Distributions:
    """The distributions that a draft was drawn from; point masses on its own tokens where it is deterministic."""
    return PointMasses(draft.tokens) if draft.q is None else draft.q


def odds(draft: Draft, p: Distributions) -> list[float]:
    """p(x) / q(x) for every drafted token x; a token that its own q could not have drawn breaks the contract."""
    ratios = []
    q = proposal(draft)
    for i, (p_x, q_x) in enumerate(zip(p.probabilities(draft.tokens), q.probabilities(draft.tokens), strict=True)):
        if q_x <= 0.0:
            raise ContractError(f"drafted token {draft.tokens[i]} at position {i} has probability 0 in its own q")
        ratios.append(p_x / q_x)
    return ratios
