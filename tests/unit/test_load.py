"""Many users at once, on servers whose speed under load is known, and on servers that break."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from draftlab.endpoint.client import Patience
from draftlab.errors import DraftlabError
from draftlab.load.drive import REQUESTS_PER_USER, requests_of
from draftlab.load.measure import _users_at_one, measure_load
from draftlab.load.prepare import PreparedLoad, prepare_load, read_levels
from draftlab.load.records import ArmName, Block, LoadSettings, RequestRecord
from draftlab.load.run import plan, read_load, run_load
from draftlab.load.terminal import load_lines, print_load
from draftlab.spec import make_experiment
from tests.unit.fake_server import DONE, MODELS, USAGE, Answer, page, serve, stream, text_event

QUICK = Patience(connect=1.0, silence=1.0, reply=2.0, connection_attempts=1)
TEXT = (text_event("ab"), text_event("cd", finish_reason="length"), USAGE, DONE)
GOOD = stream(*TEXT)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., PreparedLoad]]:
    suite = tmp_path / "mine.jsonl"
    lines = [{"id": f"p{i}", "category": "code", "prompt": f"text {i}"} for i in range(6)]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with ExitStack() as servers:

        def prepare(plain: Answer = GOOD, speculative: Answer = GOOD, **settings: Any) -> PreparedLoad:
            urls = [
                servers.enter_context(serve({"/v1/models": MODELS, "/v1/completions": answer}))[0]
                for answer in (plain, speculative)
            ]
            given = {"engine": "endpoint", "plain_url": urls[0], "url": urls[1], "suites": (str(suite),)}
            levels = settings.pop("levels", (1, 2))
            experiment = make_experiment({**given, "max_new_tokens": 8, **settings})
            return prepare_load(experiment, levels, patience=QUICK)

        yield prepare


def run(load: PreparedLoad, folder: Path, **options: Any) -> list[Block]:
    run_load(load.settings, load.servers, load.prompts, folder, **options)
    return read_load(folder)[1]


def test_every_block_has_every_prompt_equally_often(load: Callable[..., PreparedLoad], tmp_path: Path) -> None:
    blocks = run(load(levels=(1, 4), repetitions=2), tmp_path / "load")
    assert {(block.repetition, block.level, block.arm) for block in blocks} == {
        (repetition, level, arm) for repetition in (0, 1) for level in (1, 4) for arm in ("plain", "speculative")
    }
    for block in blocks:
        times = -(-REQUESTS_PER_USER * block.level // 6) or 1
        assert sorted(request.prompt for request in block.requests) == sorted([f"p{i}" for i in range(6)] * times)
        assert all(request.num_tokens == 8 and request.error is None for request in block.requests)


def test_as_many_requests_are_on_their_way_as_there_are_users(
    load: Callable[..., PreparedLoad], tmp_path: Path
) -> None:
    busy, most, lock = 0, 0, threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.03)
        with lock:
            busy -= 1
        GOOD(handler)

    run(load(plain=answer, levels=(5,)), tmp_path / "load")
    assert most == 5


def test_arms_and_levels_take_turns() -> None:
    settings = LoadSettings(experiment={}, levels=(1, 2, 4), repetitions=3, prompts={})
    order = list(plan(settings))
    assert len(order) == len(set(order)) == 18
    assert {level for (_, level, _) in order[::6]} == {1, 2, 4}
    assert {arm for (_, level, arm) in order[::2] if level == 1} == {"plain", "speculative"}


def request(prompt: str, seconds: float, tokens: int = 10, **more: Any) -> RequestRecord:
    return RequestRecord(
        prompt=prompt, total_ns=round(seconds * 1e9), first_ns=round(0.1 * seconds * 1e9), num_tokens=tokens, **more
    )


def known(ratios: dict[int, float]) -> tuple[LoadSettings, list[Block]]:
    """Plain requests of 1 s, speculative ones sooner by a ratio for each level, the same for every prompt."""
    settings = LoadSettings(experiment={}, levels=tuple(ratios), repetitions=1, prompts={})
    arms: tuple[ArmName, ArmName] = ("plain", "speculative")
    blocks = [
        Block(
            repetition=0,
            level=level,
            arm=arm,
            wall_ns=1,
            requests=tuple(
                request(f"p{i}", (1 + i) / (ratio if arm == "speculative" else 1), drafted=8, accepted=4)
                for i in range(8)
            ),
        )
        for level, ratio in ratios.items()
        for arm in arms
    ]
    return settings, blocks


def test_throughput_and_ratio_are_those_of_the_requests() -> None:
    report = measure_load(*known({1: 2.0, 4: 1.5}), gamma=3)
    first, last = report.levels
    assert first.plain.tokens_per_s == pytest.approx(80 / 36)
    assert last.plain.tokens_per_s == pytest.approx(4 * 80 / 36)
    assert last.speculative.tokens_per_s == pytest.approx(4 * 80 / 24)
    assert last.ratio.value == pytest.approx(1.5)
    assert last.ratio.low == pytest.approx(1.5)
    assert first.speculative.draft_utilization == pytest.approx(0.5)
    assert first.plain.tpot_s["p50"] == pytest.approx(np.percentile([0.9 * (1 + i) / 9 for i in range(8)], 50))


def test_the_crossing_lies_between_the_levels_where_the_ratio_goes_under_one() -> None:
    report = measure_load(*known({1: 2.0, 2: 1.5, 4: 1.25, 8: 0.75}), gamma=3)
    assert report.crossing is not None
    assert report.crossing.is_within
    assert report.crossing.users.value == pytest.approx(4 * 2**0.5)
    assert report.crossing.users.low == pytest.approx(4 * 2**0.5)
    assert report.per_batch_size == [(1, 4, 3), (5, 8, 0)]
    lines = "\n".join(load_lines(report))
    assert "up to about 5.7 [5.7, 5.7] users" in lines
    assert '"num_speculative_tokens_per_batch_size":[[1,4,3],[5,8,0]]' in lines


@pytest.mark.parametrize(
    ("ratios", "bands", "said"),
    [
        ({1: 2.0, 8: 1.2}, [(1, 8, 3)], "pays at every level, 1 to 8 users"),
        ({1: 0.9, 8: 0.8}, [(1, 8, 0)], "does not pay with 1"),
    ],
)
def test_a_crossing_beyond_the_levels_is_not_made_up(
    ratios: dict[int, float], bands: list[tuple[int, int, int]], said: str
) -> None:
    report = measure_load(*known(ratios), gamma=3)
    assert report.crossing is not None
    assert not report.crossing.is_within
    assert report.per_batch_size == bands
    assert said in "\n".join(load_lines(report))


def test_each_resample_has_its_own_crossing() -> None:
    users = np.array([1.0, 2.0, 4.0])
    ratios = np.array([[2.0, 0.5, 2.0, 1.5], [1.5, 0.4, 0.5, 0.5], [1.2, 0.3, 2.0, 0.4]])
    found = _users_at_one(users, ratios)
    assert found[0] == 4.0  # pays everywhere: cut off at the last level
    assert found[1] == 1.0  # nowhere
    assert found[2] == pytest.approx(2 ** (2 / 3))  # the first time counts
    assert found[3] == pytest.approx(2**0.5)


def test_failed_requests_are_counted_and_in_no_figure(load: Callable[..., PreparedLoad], tmp_path: Path) -> None:
    number, lock = 0, threading.Lock()

    def sometimes(handler: BaseHTTPRequestHandler) -> None:
        nonlocal number
        with lock:
            number += 1
            mine = number
        (GOOD if mine % 3 or mine <= REQUESTS_PER_USER else page("out of memory", 500))(handler)

    prepared = load(speculative=sometimes, levels=(2,))
    report = measure_load(prepared.settings, run(prepared, tmp_path / "load"), gamma=0)
    (level,) = report.levels
    assert level.plain.num_failed == 0
    assert 0 < level.speculative.num_failed < level.speculative.num_requests
    assert level.ratio.value is not None
    assert report.crossing is None
    assert report.per_batch_size == []
    console = Console(width=200, record=True)
    print_load(report, "servers", console)
    assert f"{level.speculative.num_failed}/" in console.export_text()


BROKEN: dict[str, Answer] = {
    "500": page("out of memory", 500),
    "garbage": stream(b"data: {nonsense\n\n"),
    "half a stream": stream(text_event("ab")),
    "silent": lambda handler: time.sleep(1.5),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_server_that_breaks_fails_its_requests_and_nothing_hangs(
    load: Callable[..., PreparedLoad], tmp_path: Path, how: str
) -> None:
    number, lock = 0, threading.Lock()

    def breaks(handler: BaseHTTPRequestHandler) -> None:
        nonlocal number
        with lock:
            number += 1
            mine = number
        (GOOD if mine <= REQUESTS_PER_USER + 2 else BROKEN[how])(handler)

    prepared = load(speculative=breaks, levels=(3,))
    blocks = run(prepared, tmp_path / "load")
    (block,) = (block for block in blocks if block.arm == "speculative")
    failed = [each for each in block.requests if each.error]
    assert failed
    assert len(block.requests) == len(requests_of(prepared.prompts, 3))


def test_a_server_that_is_not_there_is_told_before_anything_is_measured(
    load: Callable[..., PreparedLoad], tmp_path: Path
) -> None:
    with pytest.raises(DraftlabError, match=r"speculative server does not answer: .*500"):
        run(load(speculative=BROKEN["500"]), tmp_path / "load")


def test_a_plain_server_that_speculates_is_refused(load: Callable[..., PreparedLoad], tmp_path: Path) -> None:
    told = stream(
        *TEXT[:2], b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 8}, '
        b'"timings": {"draft_n": 6, "draft_n_accepted": 5}}\n\n', DONE
    )  # fmt: skip
    with pytest.raises(DraftlabError, match="plain server speculates"):
        run(load(plain=told), tmp_path / "load")


def test_what_is_on_disk_is_not_measured_again(load: Callable[..., PreparedLoad], tmp_path: Path) -> None:
    prepared = load(levels=(1, 2))
    run(prepared, tmp_path / "load")
    files = sorted((tmp_path / "load" / "blocks").iterdir())
    kept = {path: path.read_text() for path in files[1:]}
    files[0].unlink()
    told: list[tuple[int, str, int]] = []
    run(prepared, tmp_path / "load", resume=True, ended=lambda block, left: told.append((block.level, block.arm, left)))
    assert [left for _, _, left in told] == [0]
    assert {path: path.read_text() for path in files[1:]} == kept
    assert files[0].is_file()


def test_another_measurement_is_not_gone_on_with(load: Callable[..., PreparedLoad], tmp_path: Path) -> None:
    run(load(levels=(1,)), tmp_path / "load")
    with pytest.raises(DraftlabError, match="other settings"):
        run(load(levels=(1, 2)), tmp_path / "load", resume=True)
    with pytest.raises(DraftlabError, match="is not empty"):
        run(load(levels=(1,)), tmp_path / "load")
    with pytest.raises(DraftlabError, match="no measurement under load"):
        run(load(levels=(1,)), tmp_path / "nothing", resume=True)


def test_it_is_said_where_replies_do_not_tell_that_anything_was_drafted(
    load: Callable[..., PreparedLoad], tmp_path: Path
) -> None:
    prepared = load(levels=(1,))
    silent = measure_load(prepared.settings, run(prepared, tmp_path / "load"), gamma=3)
    assert any("is not known" in line for line in load_lines(silent))
    assert not any("is not known" in line for line in load_lines(measure_load(*known({1: 2.0}), gamma=3)))


@pytest.mark.parametrize("text", ["", "0", "a", "1,,2", "1,-2", "5000", "1.5"])
def test_levels_are_numbers_of_users(text: str) -> None:
    with pytest.raises(DraftlabError, match="--concurrency cannot be"):
        read_levels(text)


def test_levels_are_sorted_and_each_once() -> None:
    assert read_levels("8, 1,2,8") == (1, 2, 8)


def test_one_server_is_not_enough(load: Callable[..., PreparedLoad]) -> None:
    with pytest.raises(DraftlabError, match="compares two servers"):
        load(plain_url=None)
