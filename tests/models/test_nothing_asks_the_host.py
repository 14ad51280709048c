"""What is launched as a whole never asks the host for a number: a CUDA graph could not be captured otherwise.

It is seen here without a GPU. Copies between host and device are not, and `tolist` is
not: on a CPU there are no copies, and a list is made without an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from draftlab.engines.captured import CapturedModel
from draftlab.engines.launches import Launches
from draftlab.engines.transformers import TransformersModel
from tests.models.tiny import REAL, Family, tiny_family

ASKING = {"_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "equal", "_unique2", "bincount"}
TEXT = [5, 40, 2, 2, 17, 33, 8, 21, 0, 46, 11, 5]
EXACT = {"rtol": 0.0, "atol": 1e-4}


class HostAskedError(Exception):
    pass


class WithoutHost(TorchDispatchMode):
    """Raises where an operation has a result that the host waits for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in ASKING:
            raise HostAskedError(str(func))
        with self:  # an operation made of others may hide one of them
            parts = func.decompose(*args, **kwargs)
        return func(*args, **kwargs) if parts is NotImplemented else parts


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Hashable]:
    """The names of all launches, each of which ran without the host, as it would during a capture."""
    names: list[Hashable] = []

    def run(self: Launches, name: Hashable, work: Callable[[], Tensor]) -> Tensor:
        work()  # before a capture, too, work runs once: caches and kernels are made at first use
        with WithoutHost():
            result = work()
        names.append(name)
        return result

    monkeypatch.setattr(Launches, "run", run)
    # transformers looks at values, such as whether a text is empty, except where it is told that it is captured.
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    return names


@pytest.mark.parametrize("start", [0, 7])
def test_passes_read_no_number_and_are_right(family: Family, watched: list[Hashable], start: int) -> None:
    static, ordinary = CapturedModel(family.network, "static", 5), TransformersModel(family.network, "ordinary")
    for rows in range(1, 6):
        for model in (static, ordinary):
            model.reset()
            if start:
                model.forward(TEXT[:start])
        rest = TEXT[start : start + rows]
        torch.testing.assert_close(static.forward(rest), ordinary.forward(rest), **EXACT)
    assert watched == [(rows, rows) for rows in range(1, 6)]


@pytest.mark.parametrize("passed", [1, 2])
def test_drafts_read_no_number_and_are_right(family: Family, watched: list[Hashable], passed: int) -> None:
    static, ordinary = CapturedModel(family.network, "static", 2), TransformersModel(family.network, "ordinary")
    rest, expected = TEXT[7 : 7 + passed], []
    for model in (static, ordinary):
        model.forward(TEXT[:7])
    for _ in range(4):
        expected.append(int(ordinary.forward(rest, num_rows=1)[0, :REAL].argmax()))
        rest = expected[-1:]
    assert static.draft_greedily(TEXT[7 : 7 + passed], 4, REAL)[0] == expected
    assert watched == [("draft", passed, 4, REAL)]


@pytest.mark.parametrize(
    "asks",
    [
        lambda logits: bool(logits.sum() > 0),
        lambda logits: logits.max().item(),
        lambda logits: torch.nonzero(logits),
    ],
)
def test_what_asks_is_found(watched: list[Hashable], asks: Callable[[Tensor], object]) -> None:
    network = tiny_family("llama").network
    model = CapturedModel(network, "asking", 5)
    model.forward(TEXT[:2])

    def ask(*seen: Any) -> None:
        asks(seen[-1])

    with network.get_output_embeddings().register_forward_hook(ask), pytest.raises(HostAskedError):
        model.forward(TEXT[:2])
    assert watched == [(2, 2)]
