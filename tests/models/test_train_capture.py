"""Texts of unlike length that are written together are what each of them would be alone."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
import torch

from draftlab.engines.batch_texts import Batch
from draftlab.engines.batches import BatchNetwork, _next, open_batches
from draftlab.models import LoadOptions, resolve
from draftlab.train.capture import capture, rows_for
from draftlab.train.overlap import WINDOW, Forbidden
from draftlab.train.plan import PlannedBatch
from draftlab.train.processes import Processes
from draftlab.train.progress import Silent
from draftlab.train.shards import Shards
from tests.models.saved import save
from tests.models.tiny import FAMILIES, REAL, SEEDS, WIDTH, random_network, tiny_config

NEW = 16
LAYERS = (1, 2)


@pytest.fixture(scope="module", params=FAMILIES)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BatchNetwork:
    made = random_network(tiny_config(request.param, WIDTH), seed=SEEDS[request.param])
    folder = save(made, tmp_path_factory.mktemp(request.param))
    return open_batches(resolve(str(folder)), LoadOptions(dtype="float32"))


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    rng = random.Random(5)
    return [rng.choices(range(2, REAL), k=length) for length in (3, 21, 8, 8, 14, 1, 30, 5, 12, 9, 17, 4)]


@pytest.fixture(scope="module")
def stops(network: BatchNetwork, prompts: list[list[int]]) -> list[int]:
    """Tokens at which most of the texts end somewhere."""
    written = network.write(prompts, NEW, LAYERS, 0.0)
    new = [row[len(prompt) : len(prompt) + NEW] for row, prompt in zip(written.tokens.tolist(), prompts, strict=True)]
    return [token for token, _ in Counter(token for row in new for token in set(row[4:])).most_common(2)]


def written_alone(network: BatchNetwork, prompt: list[int], stops: list[int]) -> list[int]:
    """Token by token, each from the whole text before it."""
    tokens = list(prompt)
    for _ in range(NEW):
        read = network.write([[*tokens, 0]], 0, LAYERS, 0.0)
        tokens.append(int((read.final[0, -1] @ network.head().T).argmax()))
        if tokens[-1] in stops:
            break
    return tokens


def test_every_text_is_the_one_that_is_written_alone(
    network: BatchNetwork, prompts: list[list[int]], stops: list[int]
) -> None:
    batch = network.write(prompts, NEW, LAYERS, 0.0, stops)
    assert len({int(end) - len(prompt) for end, prompt in zip(batch.ends, prompts, strict=True)}) > 2
    for i, prompt in enumerate(prompts):
        expected = written_alone(network, prompt, stops)
        assert batch.tokens[i, : batch.ends[i]].tolist() == expected
        alone = network.write([expected], 0, LAYERS, 0.0)
        places = len(expected) - 1
        torch.testing.assert_close(batch.features[i, :places], alone.features[0], rtol=1e-3, atol=2e-4)
        torch.testing.assert_close(batch.final[i, :places], alone.final[0], rtol=1e-3, atol=2e-4)


def test_after_a_beginning_that_was_drawn_it_goes_on_greedily(network: BatchNetwork, prompts: list[list[int]]) -> None:
    drawn = network.write(prompts, NEW, LAYERS, 1.0, seed=3)
    batch = network.write(prompts, NEW, LAYERS, 1.0, seed=3, drawn=4)
    greedy = network.write(prompts, NEW, LAYERS, 0.0)
    assert any(batch.tokens[i].tolist() != greedy.tokens[i].tolist() for i in range(len(prompts)))
    for i, prompt in enumerate(prompts):
        begun = batch.tokens[i, : len(prompt) + 4].tolist()
        assert begun == drawn.tokens[i, : len(prompt) + 4].tolist()
        rest = network.write([begun], NEW - 4, LAYERS, 0.0)
        assert batch.tokens[i, : len(prompt) + NEW].tolist() == rest.tokens[0].tolist()


def test_texts_that_are_only_read_may_differ_in_length(network: BatchNetwork, prompts: list[list[int]]) -> None:
    batch = network.write(prompts, 0, LAYERS, 0.0)
    assert batch.ends.tolist() == list(map(len, prompts))
    alone = network.write([prompts[0]], 0, LAYERS, 0.0)
    torch.testing.assert_close(batch.final[0, : len(prompts[0]) - 1], alone.final[0], rtol=1e-3, atol=2e-4)


def test_rows_of_texts_that_have_ended_are_given_up(
    network: BatchNetwork, prompts: list[list[int]], stops: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    whole = network._network.base_model.forward

    def counted(**given: torch.Tensor) -> object:
        passes.append(len(given["input_ids"]))
        return whole(**given)

    monkeypatch.setattr(network._network.base_model, "forward", counted)
    network.write(prompts, NEW, LAYERS, 0.0, stops)
    assert passes[0] == len(prompts) and passes[-1] < len(prompts)
    assert passes == sorted(passes, reverse=True)


def test_networks_are_tried_before_lengths_are_mixed(network: BatchNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    assert network.mixes_lengths()
    whole = network._network.base_model.forward

    def deaf(
        input_ids: torch.Tensor, attention_mask: object = None, position_ids: object = None, **given: object
    ) -> object:
        return whole(input_ids=input_ids, **given)

    monkeypatch.setattr(network._network.base_model, "forward", deaf)
    assert not network.mixes_lengths()


class Timed:
    """A network and the clock by which it takes `fixed` seconds and `a_row` for every text of a step.

    Every other write is disturbed and takes `disturbed` longer.
    """

    def __init__(self, fixed: float, a_row: float, disturbed: float = 0.0) -> None:
        self.now = 0.0
        self.writes = 0
        self._fixed, self._a_row, self._disturbed = fixed, a_row, disturbed

    def write(self, prompts: list[list[int]], num: int, *_: object) -> None:
        self.now += num * (self._fixed + len(prompts) * self._a_row) + self._disturbed * (self.writes % 2)
        self.writes += 1


def rows_of(timed: Timed, seconds: float, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("draftlab.train.capture.monotonic", lambda: timed.now)
    return rows_for(cast("BatchNetwork", timed), 100, seconds)


def test_a_batch_is_no_larger_than_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(seconds: float, disturbed: float = 0.0) -> int:
        return rows_of(Timed(1 / 1024, 1 / 4096, disturbed), seconds, monkeypatch)

    assert rows(1e-9) == rows(-5.0) == 16
    assert rows(1200 * 257 / 1024) in (1023, 1024)  # a twelfth for 100 steps of 1 / 1024 + 1024 / 4096
    assert rows(1200 * 257 / 1024, disturbed=1 / 8) in (1023, 1024)  # the least of several is not


def test_rows_that_seem_to_cost_nothing_do_not_make_a_batch_huge(monkeypatch: pytest.MonkeyPatch) -> None:
    for a_row in (0.0, -1 / 1_000_000):  # a device that is not busy, or a clock that was disturbed
        assert 16 <= rows_of(Timed(1 / 64, a_row), 1200 / 32, monkeypatch) <= 200


def test_slow_networks_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    quick, slow = Timed(1 / 1024, 0.0), Timed(10.0, 0.0)
    for timed in (quick, slow):
        rows_of(timed, 60.0, monkeypatch)
    assert (quick.writes, slow.writes) == (13, 5)


def test_a_network_is_timed_as_it_is(network: BatchNetwork) -> None:
    assert rows_for(network, NEW, 1e-9) == 16
    assert rows_for(network, NEW, 1e6) > 192


def test_tokens_are_drawn_as_often_as_the_network_says() -> None:
    logits = torch.tensor([2.0, -torch.inf, 0.5, 1.0, -torch.inf])
    drawn = _next(logits.repeat(40_000, 1), 0.5, torch.Generator().manual_seed(1))
    expected = torch.softmax(logits / 0.5, dim=-1)
    torch.testing.assert_close(drawn[:, 0].bincount(minlength=5) / 40_000, expected, rtol=0.0, atol=0.01)


class Killed(Silent):
    def __init__(self, after: int) -> None:
        self.left = after

    def advances(self, by: int = 1) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def plan(prompts: list[list[int]]) -> list[PlannedBatch]:
    def batch(some: list[list[int]], temperature: float = 0.0, held_out: bool = False) -> PlannedBatch:
        return PlannedBatch(tuple(map(tuple, some)), NEW, temperature, held_out)

    return [batch(prompts[:4]), batch(prompts[4:6], held_out=True), batch(prompts[6:9], 0.8), batch(prompts[9:], 0.8)]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_killed_and_gone_on_with_or_shared_it_writes_the_same_bytes(
    network: BatchNetwork, plan: list[PlannedBatch], stops: list[int], tmp_path: Path
) -> None:
    forbidden = Forbidden(network.tokenizer.encode)

    def write(name: str, progress: Silent, processes: Processes, seconds: float = 60.0) -> None:
        capture(
            network, plan, LAYERS, stops, Shards(tmp_path / name), seconds, 7, forbidden, progress,
            lambda _: None, processes,
        )  # fmt: skip

    write("whole", Silent(), Processes())
    assert len(files(tmp_path / "whole")) == len(plan)
    with pytest.raises(KeyboardInterrupt):
        write("killed", Killed(after=2), Processes())
    (tmp_path / "killed" / "00002-train.part").write_bytes(b"half of it")
    assert len(Shards(tmp_path / "killed").names(held_out=False)) == 1
    write("killed", Silent(), Processes())
    for index in (1, 0):
        write("shared", Silent(), Processes(num=2, index=index))
    assert files(tmp_path / "whole") == files(tmp_path / "killed") == files(tmp_path / "shared")
    write("hurried", Silent(), Processes(), seconds=0.0)
    assert sorted(files(tmp_path / "hurried")) == ["00000-train.safetensors", "00001-held.safetensors"]


def test_texts_with_a_window_of_a_suite_have_no_end_but_held_out_ones(
    network: BatchNetwork, prompts: list[list[int]], tmp_path: Path
) -> None:
    written = network.write(prompts[:4], NEW, LAYERS, 0.0).tokens.tolist()

    class Planted(Forbidden):
        def __init__(self) -> None:  # of no suite, but the last token of a text's prompt and what the target adds
            self._windows = {tuple(written[1][len(prompts[1]) - 1 :][:WINDOW])}

    plan = [PlannedBatch(tuple(map(tuple, prompts[:4])), NEW, 0.0, is_held) for is_held in (False, True)]
    shards = Shards(tmp_path)
    capture(network, plan, LAYERS, (), shards, 60.0, 7, Planted(), Silent(), lambda _: None, Processes())
    whole = [len(prompt) + NEW for prompt in prompts[:4]]
    assert [shard.ends.tolist() for shard in shards.held_out(4)] == [whole]
    (learned,) = (shards.read(path) for path in shards.names(held_out=False))
    assert learned.ends.tolist() == [whole[0], 0, *whole[2:]]


def test_a_batch_says_where_its_texts_end(network: BatchNetwork, prompts: list[list[int]]) -> None:
    batch: Batch = network.write(prompts, NEW, LAYERS, 0.0)
    assert batch.ends.tolist() == [len(prompt) + NEW for prompt in prompts]
    assert batch.tokens.shape[1] == max(map(len, prompts)) + NEW
    assert not batch.tokens[5, batch.ends[5] :].any()
