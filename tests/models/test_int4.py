"""Layers of 4 bits: near the product that they stand for, for any rows, kinds and sizes that they take."""

from __future__ import annotations

import pytest
import torch

from draftlab.engines import int4
from draftlab.engines.int4 import Int4Linear, fits_int4


def _relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 40)])
def test_the_product_is_near(shape: tuple[int, int], has_bias: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(48, 96, dtype=dtype), 50.0 * torch.randn(48, dtype=dtype) if has_bias else None
    x = torch.randn(*shape, 96, dtype=dtype)
    found = Int4Linear(weight, bias)(x)
    assert (found.dtype, found.shape) == (dtype, (*shape, 48))
    assert _relative_error(found, torch.nn.functional.linear(x, weight, bias)) < (0.02 if has_bias else 0.12)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    torch.manual_seed(0)
    layer, x = Int4Linear(torch.randn(32, 64), None), torch.randn(1, 6, 64)
    beside = layer(torch.cat([1000.0 * torch.randn(1, 1, 64), x], dim=1))[:, 1:]
    torch.testing.assert_close(beside, layer(x), rtol=0.02, atol=0.05)


def test_groups_have_scales_of_their_own_and_may_be_zero() -> None:
    torch.manual_seed(0)
    weight = torch.randn(16, 96)
    weight[:, :32] *= 1000.0
    weight[:, 64:] = 0.0
    x = torch.randn(1, 3, 96)
    x[..., :32] = 0.0
    assert _relative_error(Int4Linear(weight, None)(x), torch.nn.functional.linear(x, weight)) < 0.15


def test_what_is_packed_in_parts_is_what_is_packed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(64 * 3 + 16, 64), torch.randn(1, 2, 64)
    whole = Int4Linear(weight, None)(x)
    monkeypatch.setattr(int4, "_AT_ONCE", 1)
    assert torch.equal(Int4Linear(weight, None)(x), whole)


def test_the_search_rounds_better_than_the_whole_range(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    weight = torch.randn(64, 256)
    every = torch.eye(256)

    def error() -> float:
        return _relative_error(Int4Linear(weight, None)(every), weight.T)

    searched = error()
    monkeypatch.setattr(int4, "_CLIPS", (1.0,))
    monkeypatch.setattr(int4, "_REFITS", 0)
    assert searched < 0.97 * error()


def test_inputs_that_are_large_are_rounded_best() -> None:
    torch.manual_seed(0)
    weight, importance = torch.randn(64, 64), torch.ones(64)
    importance[::4] = 1000.0
    every = torch.eye(64)
    plain = (Int4Linear(weight, None)(every) - weight.T).square().mean(1)
    aimed = (Int4Linear(weight, None, importance)(every) - weight.T).square().mean(1)
    assert aimed[::4].mean() < 0.8 * plain[::4].mean()
    assert aimed.mean() < 4.0 * plain.mean()


@pytest.mark.parametrize(("shape", "fits"), [((48, 64), True), ((50, 64), False), ((48, 72), False)])
def test_shapes_that_it_takes(shape: tuple[int, int], fits: bool) -> None:
    assert fits_int4(torch.empty(shape)) == fits
