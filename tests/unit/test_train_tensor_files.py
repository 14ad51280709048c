"""A disk that is full, and files that are damaged, end a training run in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
import torch
from safetensors import SafetensorError

from draftlab.errors import DraftlabError
from draftlab.store.failures import explained
from draftlab.train.checkpoint import Checkpoint
from draftlab.train.optimiser import Optimiser
from draftlab.train.shards import Shard, Shards
from draftlab.train.student import Student
from draftlab.train.tensor_files import file_system_errors


@contextmanager
def small_files() -> Iterator[None]:
    """The system refuses larger files than a few bytes, as it refuses all on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def shard(num: int = 4, length: int = 50) -> Shard:
    states = torch.zeros(num, length - 1, 8)
    ends = (torch.full((num,), at).int() for at in (2, length, 1))
    return Shard(torch.ones(num, length).int(), states, states.clone(), *ends)


def test_what_the_system_says_of_a_write_is_said(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    with pytest.raises(DraftlabError) as caught, explained(tmp_path), file_system_errors(), small_files():
        shards.write(0, False, shard())
    assert str(caught.value) == f"cannot write to {tmp_path}: {os.strerror(errno.EFBIG)}"
    assert shards.names(held_out=False) == []


def test_a_full_disk_is_called_one(tmp_path: Path) -> None:
    full = f"Error while serializing: I/O error: {os.strerror(errno.ENOSPC)} (os error {errno.ENOSPC})"
    with pytest.raises(DraftlabError) as caught, explained(tmp_path), file_system_errors():
        raise SafetensorError(full)
    assert str(caught.value) == f"no space left to write to {tmp_path}; what is complete is kept"
    assert "--resume" in (caught.value.hint or "")


def test_what_is_no_fault_of_the_system_stays_as_it_is() -> None:
    with pytest.raises(SafetensorError, match="a mistake of ours"), file_system_errors():
        raise SafetensorError("a mistake of ours")


@pytest.mark.parametrize("left", [0, 5, 200, -8])
def test_damaged_texts_are_named_with_what_to_do(tmp_path: Path, left: int) -> None:
    shards = Shards(tmp_path)
    shards.write(0, False, shard())
    (path,) = shards.names(held_out=False)
    os.truncate(path, left % path.stat().st_size)
    for read in (lambda: shards.read(path), lambda: list(shards.tokens(held_out=False))):
        with pytest.raises(DraftlabError, match=r"00000-train\.safetensors is damaged") as caught:
            read()
        assert "--resume" in (caught.value.hint or "")


def test_a_damaged_checkpoint_is_named_before_anything_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"half of it")
    with pytest.raises(DraftlabError, match=r"checkpoint\.safetensors is damaged"):
        Checkpoint(path).load(cast("Student", None), cast("Optimiser", None))


def test_a_file_that_is_whole_is_read(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    shards.write(3, True, shard())
    assert len(shards.read(shards.names(held_out=True)[0])) == 4
