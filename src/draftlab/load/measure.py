"""Blocks -> figures. A closed loop of users who never pause answers users x tokens / seconds (Little's law).

So throughput is taken from the times of the requests, not from the clock of a block, at whose end users run out of
requests. The prompt is the unit of the intervals, as everywhere: its requests, in all blocks of a level, go together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from draftlab.load.records import ArmName, Block, LoadSettings, RequestRecord
from draftlab.stats import Estimate, bootstrap, ratio_of_ratios

PERCENTILES = (50, 90, 99)
Band = tuple[int, int, int]
"""(from, to, draft length) of users, as vLLM's num_speculative_tokens_per_batch_size takes it; length 0 is none."""


class ArmUnderLoad(BaseModel):
    """One server with so many users."""

    tokens_per_s: float | None
    """Of all users together."""
    ttft_s: dict[str, float]
    """Percentiles of the time to the first text."""
    tpot_s: dict[str, float]
    """Percentiles of the time for each further token."""
    draft_utilization: float | None
    num_requests: int
    num_failed: int


class Level(BaseModel):
    """So many users, plain and speculative."""

    users: int
    plain: ArmUnderLoad
    speculative: ArmUnderLoad
    ratio: Estimate
    """Throughput with speculation over that without."""


class Crossing(BaseModel):
    """From how many users on speculation does not pay. Beyond the levels nothing is known: it is cut off there."""

    users: Estimate
    is_within: bool
    """False: it pays at all levels, or at none; `users` is then the last or the first of them."""


class LoadReport(BaseModel):
    """All figures of a measurement."""

    schema_version: int = 1
    levels: list[Level]
    crossing: Crossing | None
    """None where a level has no figures."""
    per_batch_size: list[Band]

    @property
    def has_failures(self) -> bool:
        """Whether any request failed."""
        return any(arm.num_failed for level in self.levels for arm in (level.plain, level.speculative))


def measure_load(settings: LoadSettings, blocks: Sequence[Block], gamma: int) -> LoadReport:
    """Of the blocks that are there. `gamma` is the draft length of the speculative server, 0 where it is not known."""
    requests: dict[tuple[int, ArmName], list[RequestRecord]] = defaultdict(list)
    for block in blocks:
        requests[block.level, block.arm] += block.requests
    columns = {level: _columns(requests[level, "speculative"], requests[level, "plain"]) for level in settings.levels}
    levels = [
        Level(
            users=level,
            plain=_arm(level, requests[level, "plain"]),
            speculative=_arm(level, requests[level, "speculative"]),
            ratio=ratio_of_ratios(columns[level][:2], columns[level][2:]),
        )
        for level in settings.levels
    ]
    return LoadReport(levels=levels, crossing=_crossing(levels, columns), per_batch_size=_per_batch_size(levels, gamma))


_Columns = tuple[list[float], list[float], list[float], list[float]]


def _columns(drafted: Sequence[RequestRecord], plain: Sequence[RequestRecord]) -> _Columns:
    """Tokens and seconds, speculative and plain, an entry for each prompt that both have answered."""
    sums = [_sums(drafted), _sums(plain)]
    shared = sorted(set(sums[0]) & set(sums[1]))
    a, b, c, d = ([side[prompt][i] for prompt in shared] for side in sums for i in range(2))
    return a, b, c, d


def _sums(requests: Sequence[RequestRecord]) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for request in requests:
        if request.error is None:
            tokens, seconds = found.get(request.prompt, (0.0, 0.0))
            found[request.prompt] = (tokens + request.num_tokens, seconds + request.total_ns / 1e9)
    return found


def _arm(level: int, requests: Sequence[RequestRecord]) -> ArmUnderLoad:
    good = [request for request in requests if request.error is None]
    seconds = sum(request.total_ns for request in good) / 1e9
    told = [request for request in good if request.drafted is not None and request.accepted is not None]
    drafted = sum(request.drafted or 0 for request in told)
    return ArmUnderLoad(
        tokens_per_s=level * sum(request.num_tokens for request in good) / seconds if seconds else None,
        ttft_s=_percentiles([request.first_ns / 1e9 for request in good if request.first_ns is not None]),
        tpot_s=_percentiles([_per_token(request) for request in good if request.num_tokens > 1]),
        draft_utilization=sum(request.accepted or 0 for request in told) / drafted if drafted else None,
        num_requests=len(requests),
        num_failed=len(requests) - len(good),
    )


def _per_token(request: RequestRecord) -> float:
    return (request.total_ns - (request.first_ns or 0)) / 1e9 / (request.num_tokens - 1)


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {f"p{p}": float(np.percentile(seconds, p)) for p in PERCENTILES} if seconds else {}


def _crossing(levels: Sequence[Level], columns: dict[int, _Columns]) -> Crossing | None:
    """Where the ratio, drawn as a line over the logarithm of the users, goes through 1 for the first time."""
    values = [level.ratio.value for level in levels]
    if len(levels) < 2 or None in values:
        return None
    users = np.array([level.users for level in levels], dtype=float)
    prompts = {len(each[0]) for each in columns.values()}
    if len(prompts) > 1:  # some prompts failed at some levels: resamples cannot be shared
        found = Estimate(float(_users_at_one(users, np.array(values, dtype=float)[:, None])[0]))
    else:
        flat = [column for each in columns.values() for column in each]

        def statistic(*sums: NDArray[Any]) -> list[NDArray[Any]]:
            ratios = [(sums[i] / sums[i + 1]) / (sums[i + 2] / sums[i + 3]) for i in range(0, len(sums), 4)]
            table = np.array([np.atleast_1d(ratio) for ratio in ratios])
            crossings = _users_at_one(users, table)
            return [crossings if np.ndim(sums[0]) else crossings[0]]

        (found,) = bootstrap(flat, statistic)
    pays = [value is not None and value >= 1 for value in values]
    return Crossing(users=found, is_within=any(pays) and not all(pays) and pays[0])


def _users_at_one(users: NDArray[Any], ratios: NDArray[Any]) -> NDArray[Any]:
    """For each column of ratios [levels, resamples]; cut off at the first and the last level."""
    found = np.full(ratios.shape[1], users[-1])
    for i in reversed(range(len(users) - 1)):
        here, there = ratios[i], ratios[i + 1]
        goes_under = (here >= 1) & (there < 1)
        share = np.where(goes_under, here - 1, 0.0) / np.where(goes_under, here - there, 1.0)
        at = np.exp(np.log(users[i]) + share * (np.log(users[i + 1]) - np.log(users[i])))
        found = np.where(goes_under, at, found)
    return np.where(ratios[0] < 1, users[0], found)


def _per_batch_size(levels: Sequence[Level], gamma: int) -> list[Band]:
    """The draft length where it paid, and 0 where it did not."""
    paid = [(level.users, gamma if level.ratio.value is not None and level.ratio.value >= 1 else 0) for level in levels]
    return bands(paid) if gamma else []


def bands(lengths: Sequence[tuple[int, int]]) -> list[Band]:
    """From (users, draft length) at each level: bands of users up to each, those of one length joined."""
    found: list[Band] = []
    begin = 1
    for users, length in lengths:
        if found and found[-1][2] == length:
            found[-1] = (found[-1][0], users, length)
        else:
            found.append((begin, users, length))
        begin = users + 1
    return found
