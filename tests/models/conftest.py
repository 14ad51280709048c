"""The tiny random families, shared by every test of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.models.tiny import FAMILIES, Family, tiny_family


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Family:
    return tiny_family(request.param)
