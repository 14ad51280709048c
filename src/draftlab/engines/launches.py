"""Work that a GPU starts as a whole: captured once as a CUDA graph, replayed ever after.

A layer of a small network takes less time on a GPU than Python takes to start it. A graph is started in one go. What
it reads and writes has to stand in the same memory each time, and nothing in it may ask the host.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

_TRIES = 2  # before the capture: libraries choose their kernels and take their memory at first use


class Launches:
    """Runs work by name: as a graph on a CUDA device, step by step elsewhere or where capturing failed."""

    def __init__(self, device: torch.device, say: Callable[[str], None]) -> None:
        self._device = device
        self._say = say
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensor]] = {}
        self._pool: Any = None  # torch's own type of a handle exists for type checkers only
        self._stream: torch.cuda.Stream | None = None
        self.captures = device.type == "cuda"

    def run(self, name: Hashable, work: Callable[[], Tensor]) -> Tensor:
        """What `work` returns. It has to do the same each time, apart from the values in the tensors that it reads."""
        if not self.captures:
            return work()
        if name not in self._graphs:
            try:
                self._graphs[name] = self._capture(work)
            except Exception as error:  # torch's own, and whatever a network does that cannot be captured
                self.captures = False
                self.forget()
                first = _first_of(error)
                self._say(f"without CUDA graphs: {(str(first).splitlines() or [type(first).__name__])[0]}")
                return work()
        graph, result = self._graphs[name]
        graph.replay()
        return result.clone()  # the next replay overwrites it

    def forget(self) -> None:
        """Drop every graph: the memory that they use is about to go."""
        self._graphs.clear()
        self._pool = None

    def _capture(self, work: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        # One stream of this device for all: the class's default may be another device's, and libraries keep a workspace
        # for every stream that they have met.
        stream = self._stream = self._stream or torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream(self._device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(_TRIES):
                work()
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # One pool for all: they never run at once, and the results, which are held, are not shared. The outer context
        # goes back to the current stream also when ending a broken capture raises, where `graph` itself does not.
        with torch.cuda.stream(current), torch.cuda.graph(graph, pool=self._pool, stream=stream):
            result = work()
        self._pool = graph.pool()
        return graph, result


def _first_of(error: BaseException) -> BaseException:
    """What went wrong first: ending a capture that has failed raises once more, and says less."""
    while error.__context__ is not None:
        error = error.__context__
    return error
