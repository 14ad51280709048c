"""A bench on servers: the same runs and reports, from counts alone; and servers that lie or break in the middle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from draftlab.bench.run import run_bench
from draftlab.endpoint.client import Patience
from draftlab.errors import DraftlabError
from draftlab.export.choice import choose
from draftlab.records import Trace
from draftlab.report.compare import compare
from draftlab.report.html.page import report_page
from draftlab.report.measure import Report, measure
from draftlab.report.reading import Run
from draftlab.report.terminal import print_report
from draftlab.serving.prepare import serve_bench
from draftlab.spec import make_experiment
from draftlab.store import Store
from draftlab.workbench import Workbench
from tests.unit.fake_server import DONE, MODELS, USAGE, Answer, event, page, serve, stream, text_event

NUM_PROMPTS = 6
QUICK = Patience(connect=1.0, silence=0.5, reply=1.0, connection_attempts=1)
TOLD = {
    "num_draft_tokens": 6, "num_accepted_draft_tokens": 5, "num_spec_steps": 2, "acceptance_histogram": [0, 0, 1, 1],
}  # fmt: skip
TEXT = (text_event("ab"), text_event("cd", finish_reason="length"))
PLAIN = stream(*TEXT, USAGE, DONE)


def told(**extras: Any) -> Answer:
    """A reply of 8 tokens that tells what speculation did."""
    return stream(*TEXT, event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 8}, **extras), DONE)


SPECULATIVE = told(metrics={"speculative_decoding": TOLD})


def in_turn(*answers: Answer, then: Answer) -> Answer:
    """These answers, and the last one for ever."""
    rest: Iterator[Answer] = chain(answers, repeat(then))
    return lambda handler: next(rest)(handler)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    suite = tmp_path / "mine.jsonl"
    lines = [{"id": f"p{i}", "category": "code", "prompt": f"text {i}"} for i in range(NUM_PROMPTS)]
    suite.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with ExitStack() as servers:

        def start(
            speculative: Answer, plain: Answer | None = PLAIN, metrics: Answer | None = None, **settings: Any
        ) -> Store:
            """Run a bench on two servers, or on one; `metrics` is the page of the speculative one."""
            more = {"/metrics": metrics} if metrics else {}
            url, _ = servers.enter_context(serve({"/v1/models": MODELS, "/v1/completions": speculative, **more}))
            given = {"engine": "endpoint", "url": url, "suites": (str(suite),), "max_new_tokens": 8, **settings}
            if plain is not None:
                own = serve({"/v1/models": MODELS, "/v1/completions": plain})
                given["plain_url"], _ = servers.enter_context(own)
            with serve_bench(make_experiment(given), patience=QUICK) as prepared:
                return run_bench(prepared, tmp_path / "run")

        yield start


def failures(store: Store) -> list[Trace]:
    return [trace for trace in store.traces() if trace.status == "failed"]


def test_two_servers_are_compared_like_two_arms_of_our_own(bench: Callable[..., Store]) -> None:
    store = bench(SPECULATIVE, control=True)
    traces = list(store.traces())
    assert len(traces) == 3 * NUM_PROMPTS and {trace.arm for trace in traces} == {"none", "server", "none again"}
    assert all(not trace.tokens and not trace.rounds.drafted and trace.text == "abcd" for trace in traces)
    report = measure(store)
    (arm,) = report.arms
    assert report.complete and report.holds and (arm.identical, arm.compared) == (6, 6)
    assert arm.walltime_speedup.value and arm.walltime_speedup.low and arm.ttft_s.value
    assert arm.acceptance_rate.value == pytest.approx(5 / 6)  # 5 accepted, 1 rejected, no token behind it
    assert arm.draft_utilization.value == pytest.approx(5 / 6)
    assert arm.block_efficiency.value == pytest.approx(8 / 3)
    assert [(p.num_drafted, p.num_judged) for p in arm.positions] == [(12, 12), (12, 12), (12, 12)]
    assert arm.acceptance_at == pytest.approx([1.0, 1.0, 0.5])
    assert arm.predicted_speedup is None and arm.cost is None
    plain, server, _ = report.servers
    assert (plain.drafted, server.drafted, server.accepted, server.drafts) == (None, 36, 30, 12)


def test_its_run_is_shown_and_compared_like_any_other(
    bench: Callable[..., Store], capsys: pytest.CaptureFixture[str]
) -> None:
    store = bench(SPECULATIVE)
    print_report(store)
    shown = " ".join(capsys.readouterr().out.split())
    assert "drafter server, gamma the server's" in shown and "36 drafted in 12 drafts, 30 accepted" in shown
    assert "small, served at http://127.0.0.1" in shown
    assert "the server&#39;s" in report_page(Run.read(store), measure(store))
    assert compare([store, store])
    with pytest.raises(DraftlabError, match="was measured on a server"):
        choose(store.folder)


def test_what_was_judged_is_not_guessed(bench: Callable[..., Store]) -> None:
    store = bench(told(timings={"draft_n": 6, "draft_n_accepted": 5}))
    (arm,) = measure(store).arms
    assert (arm.acceptance_rate.value, arm.positions) == (None, [])
    assert arm.draft_utilization.value == pytest.approx(5 / 6)
    assert measure(store).servers[1].drafts is None


def test_one_server_is_measured_as_it_is(bench: Callable[..., Store], capsys: pytest.CaptureFixture[str]) -> None:
    report = print_report(bench(SPECULATIVE, plain=None))
    assert (report.arms, report.complete, report.servers[0].drafted) == ([], True, 36)
    assert "the server: " in capsys.readouterr().out


def test_texts_that_differ_are_counted_in_characters(bench: Callable[..., Store]) -> None:
    other = stream(text_event("abXd"), USAGE, DONE)
    (arm,) = measure(bench(SPECULATIVE, plain=other)).arms
    assert arm.identical == 0 and {d.position for d in arm.divergences} == {2}


def counters(drafts: int, drafted: int, accepted: int) -> Answer:
    names = {"num_drafts": drafts, "num_draft_tokens": drafted, "num_accepted_tokens": accepted}
    return page("".join(f"vllm:spec_decode_{name}_total {value}\n" for name, value in names.items()), kind="text/plain")


def growing(handler: BaseHTTPRequestHandler, looks: list[int] = [0]) -> None:  # noqa: B006 - the server's own memory
    """Three looks per reply: before, after, and once more until they agree."""
    looks[0] += 1
    replies = (looks[0] + 1) // 3
    counters(2 * replies, 6 * replies, 5 * replies)(handler)


def test_counters_of_the_page_are_taken_where_replies_have_none(bench: Callable[..., Store]) -> None:
    store = bench(PLAIN, metrics=growing)
    served = [trace.served for trace in store.traces() if trace.arm == "server"]
    assert {(s.drafted, s.accepted, s.drafts) for s in served if s} == {(6, 5, 2)}
    assert measure(store).arms[0].acceptance_rate.value is None  # by position this page tells nothing


@pytest.mark.parametrize(
    ("speculative", "plain", "metrics", "said"),
    [
        (PLAIN, PLAIN, None, "tells nothing of speculation"),
        (told(timings={"predicted_n": 8}), PLAIN, None, "drafted nothing"),
        (PLAIN, PLAIN, counters(0, 0, 0), "drafted nothing"),
        (SPECULATIVE, SPECULATIVE, None, "the plain server at .* speculates: it drafted 6 tokens"),
        (page("oh no", 500), PLAIN, None, "status 500: oh no"),
        (SPECULATIVE, page("busy", 503), None, "status 503: busy"),
    ],
)
def test_a_server_that_does_not_do_what_it_is_for_is_not_measured(
    bench: Callable[..., Store], tmp_path: Path, speculative: Answer, plain: Answer, metrics: Answer | None, said: str
) -> None:
    with pytest.raises(DraftlabError, match=said):
        bench(speculative, plain, metrics)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (page("out of memory", 500), "status 500: out of memory"),
        (stream(*TEXT), "stream ended after 2 events, without its end mark"),
        (stream(b"data: {oh\n\n"), "no JSON"),
        (stream(USAGE, DONE), "without any text"),
        (PLAIN, "tells nothing of speculation"),
        (told(metrics={"speculative_decoding": {**TOLD, "num_accepted_draft_tokens": 7}}), "contradict one another"),
        (stream(*TEXT, lambda: time.sleep(0.8)), "silent for 0.5 s"),
    ],
)
def test_a_server_that_breaks_in_the_middle_leaves_failed_traces(
    bench: Callable[..., Store], broken: Answer, said: str
) -> None:
    good = [SPECULATIVE] * 4  # asked for proof, warmed up, two replies
    store = bench(in_turn(*good, broken, then=SPECULATIVE))
    (failed,) = failures(store)
    assert failed.arm == "server" and said in str(failed.error) and failed.served is None
    report = measure(store)
    assert report.complete and not report.holds and report.arms[0].num_prompts == NUM_PROMPTS - 1


def test_counters_that_go_backwards_are_no_counts(bench: Callable[..., Store]) -> None:
    pages = [counters(2 * n, 6 * n, 5 * n) for n in (0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 1)]
    store = bench(PLAIN, metrics=in_turn(*pages, then=counters(1, 3, 2)))
    assert "back to" in str(failures(store)[0].error)


def refused(settings: dict[str, Any]) -> str:
    with pytest.raises(DraftlabError) as caught, serve_bench(make_experiment(settings)):
        pass
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": "endpoint"}, "does not know which server"),
        ({"engine": "endpoint", "url": "http://127.0.0.1:9/v1", "gammas": (3,)}, "--gamma is for draftlab's own"),
        ({"url": "http://127.0.0.1:9/v1"}, "--url cannot be"),
        ({"engine": "endpoint", "url": "http://127.0.0.1:9/v1"}, "cannot reach"),
    ],
)
def test_settings_that_cannot_be_are_said(settings: dict[str, Any], said: str) -> None:
    assert said in refused(settings)


def test_an_interrupted_run_is_finished(bench: Callable[..., Store], tmp_path: Path) -> None:
    store = bench(SPECULATIVE)
    before: Sequence[str] = (store.folder / "traces.jsonl").read_text().splitlines(keepends=True)
    (store.folder / "traces.jsonl").write_text("".join(before[:5]))
    experiment = make_experiment(store.manifest().settings())
    with serve_bench(experiment, patience=QUICK) as prepared:
        again: Report = measure(run_bench(prepared, store.folder, resume=True))
    assert again.complete and (store.folder / "traces.jsonl").read_text().startswith("".join(before[:5]))


def test_what_needs_the_model_itself_refuses_a_server() -> None:
    with pytest.raises(DraftlabError, match="is for draftlab bench"):
        Workbench.open(make_experiment({"engine": "endpoint", "url": "http://127.0.0.1:9/v1"}))
