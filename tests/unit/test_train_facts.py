"""What is told of the texts is what is in the shards, and no more than is learned from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from draftlab.train.facts import facts_of, num_held_out
from draftlab.train.overlap import Forbidden
from draftlab.train.plan import PlannedBatch
from draftlab.train.shards import Shard, Shards


def _shard(starts: Sequence[int], ends: Sequence[int], firsts: Sequence[int]) -> Shard:
    tokens = torch.arange(8 * len(starts)).view(-1, 8).int()
    states = torch.zeros(len(starts), 7, 1)
    return Shard(tokens, states, states.clone(), *(torch.tensor(each).int() for each in (starts, ends, firsts)))


def _held(*prompts: tuple[int, ...]) -> PlannedBatch:
    return PlannedBatch(prompts, 4, 0.0, held_out=True)


def test_prompts_that_come_again_and_again_are_not_counted_as_learned_from(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    read_too = _shard([3, 4], [8, 0], [1, 1])  # the second strays into a suite
    prompts_known = _shard([3, 5], [7, 8], [3, 5])
    shards.write(0, False, read_too)
    shards.write(1, False, prompts_known)
    shards.write(2, True, _shard([2, 2, 2], [8, 8, 8], [1, 1, 1]))
    found = facts_of(shards, "toy", Forbidden(lambda text: []))
    assert (found["texts"], found["held_out_texts"]) == (3, 3)
    assert found["tokens"] == 7 + 4 + 3
    assert found["written_tokens"] == 5 + 4 + 3
    both = b"".join(shard.tokens.numpy().tobytes() for shard in (read_too, prompts_known))
    assert found["sha256"] == hashlib.sha256(both).hexdigest()
    assert (found["licence"], found["base_model"]) == (None, None)


def test_the_hub_is_told_what_the_target_is_called_there(tmp_path: Path) -> None:
    forbidden, shards = Forbidden(lambda text: []), Shards(tmp_path / "shards")
    known = facts_of(shards, "smollm2-135m-instruct", forbidden)
    assert (known["licence"], known["base_model"]) == ("apache-2.0", "HuggingFaceTB/SmolLM2-135M-Instruct")
    (tmp_path / "target").mkdir()
    assert facts_of(shards, str(tmp_path / "target"), forbidden)["base_model"] is None


def test_held_out_prompts_are_those_that_were_gone_on_from(tmp_path: Path) -> None:
    shards = Shards(tmp_path)
    plan = [_held((1, 2), (1, 3)), PlannedBatch(((4,),), 4, 0.0, held_out=False), _held((1, 2), (1, 2)), _held((5,))]
    for number in (0, 1, 2):  # time has ended it before the last
        shards.write(number, plan[number].held_out, _shard([2], [8], [1]))
    assert num_held_out(plan, shards) == 2
