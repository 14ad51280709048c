"""Wall-clock time that waits for the device, but only at the ends of a measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns


@dataclass(frozen=True, slots=True)
class WallClock:
    """Between two readings nothing is synchronised, so that a measured decode runs as an unmeasured one does."""

    synchronize: Callable[[], None]

    def now_ns(self) -> int:
        """The time at which everything launched so far was done."""
        self.synchronize()
        return perf_counter_ns()
