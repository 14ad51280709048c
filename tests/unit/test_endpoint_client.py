"""A server as its client sees it, while it works and in all the ways in which it does not."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import httpx2
import pytest

from draftlab.endpoint.client import Client, Patience
from draftlab.endpoint.counts import SpeculationCounts, require_speculation
from draftlab.errors import DraftlabError
from tests.unit.fake_server import DONE, MODELS, USAGE, Answer, event, page, serve, stream, text_event

COMPLETE = "/v1/completions"
SHORT = Patience(connect=1.0, silence=0.3, reply=0.6, connection_attempts=1)
TOLD = {
    "num_draft_tokens": 6,
    "num_accepted_draft_tokens": 5,
    "num_spec_steps": 2,
    "acceptance_histogram": [0, 0, 1, 1],
}


def reply_of(answer: Answer) -> object:
    with serve({COMPLETE: answer}) as (url, _), Client(url, patience=SHORT) as client:
        return client.complete("small", "x", 8)


def test_a_reply_is_told_apart_from_its_chunks() -> None:
    good = stream(
        b": hello\n\n", text_event("ab"), text_event("cdé"), text_event("", finish_reason="length"), USAGE, DONE
    )
    with serve({COMPLETE: good}) as (url, seen), Client(url) as client:
        reply = client.complete("small", [5, 6, 7], 8, temperature=0.0, seed=3)
    assert (reply.text, reply.num_tokens, reply.num_prompt_tokens) == ("abcdé", 8, 3)
    assert (reply.finish_reason, reply.speculation) == ("length", None)
    first, second = reply.chunk_ns
    assert reply.first_ns == first and 0 < first <= second <= reply.total_ns
    ((path, body),) = seen
    assert path == COMPLETE
    assert body == {
        "model": "small", "prompt": [5, 6, 7], "max_tokens": 8, "temperature": 0.0, "seed": 3, "stream": True,
        "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_a_chat() -> None:
    good = stream(
        event(choices=[{"delta": {"role": "assistant"}}]), event(choices=[{"delta": {"content": "hi"}}]), USAGE, DONE
    )
    with serve({"/v1/chat/completions": good}) as (url, seen), Client(url) as client:
        assert client.chat("small", [{"role": "user", "content": "x"}], 8).text == "hi"
    assert seen[0][1]["messages"] == [{"role": "user", "content": "x"}]


def test_events_that_are_cut_anywhere_are_put_together() -> None:
    whole = text_event("é") + USAGE.replace(b"\n", b"\r\n") + DONE
    pieces = [whole[i : i + 1] for i in range(len(whole))]
    reply = reply_of(stream(*pieces))
    assert (reply.text, reply.num_tokens) == ("é", 8)  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["event", "choice"])
def test_speculation_that_a_reply_tells_of(where: str) -> None:
    metrics = {"metrics": {"speculative_decoding": TOLD}}
    usage = {"completion_tokens": 8}
    last = event(choices=[], usage=usage, **metrics) if where == "event" else text_event("", **metrics) + USAGE
    reply = reply_of(stream(text_event("a"), last, DONE))
    assert reply.speculation == SpeculationCounts(6, 5, 2, (2, 2, 1))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (page('{"message": "no memory\\nleft"}', 500), r'status 500: \{"message": "no memory'),
        (page("", 503), "status 503: nothing"),
        (page('{"choices": []}'), "answers with application/json"),
        (stream(text_event("a"), text_event("b")), "the stream ended after 2 events, without its end mark"),
        (stream(text_event("a"), b'data: {"choices": [{"te'), "what is no JSON"),
        (stream(b"data: what?\n\n", DONE), r"what is no JSON: 'what\?'"),
        (stream(b"data: " + b"[" * 100_000 + b"\n\n", DONE), r"what is no JSON: '\[\["),
        (stream(b"data: [1]\n\n", DONE), "which is no event"),
        (stream(event(choices=7), DONE), "without readable choices"),
        (stream(text_event("a"), event(error={"message": "engine died"}), DONE), "the server broke off: engine died"),
        (stream(text_event("a"), DONE), "does not say how many tokens"),
        (stream(text_event("a"), event(choices=[], usage={"completion_tokens": True}), DONE), "how many tokens"),
        (stream(text_event("a"), lambda: time.sleep(0.8), USAGE, DONE), "was silent for 0.3 s"),
        (stream(*[b"x", lambda: time.sleep(0.1)] * 10, DONE), "not complete in time"),
    ],
)  # fmt: skip
def test_a_server_that_breaks_is_told_in_one_line(answer: Answer, message: str) -> None:
    began = time.monotonic()
    with pytest.raises(DraftlabError, match=message) as caught:
        reply_of(answer)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 5


def test_a_connection_that_is_cut() -> None:
    def cut(handler: object) -> None:
        handler.send_response(200)  # type: ignore[attr-defined]
        handler.send_header("content-type", "text/event-stream")  # type: ignore[attr-defined]
        handler.send_header("content-length", "1000")  # type: ignore[attr-defined]
        handler.end_headers()  # type: ignore[attr-defined]
        handler.wfile.write(text_event("a"))  # type: ignore[attr-defined]

    with pytest.raises(DraftlabError, match=r"the connection to .* broke"):
        reply_of(cut)


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_nobody_is_there() -> None:
    with Client(f"http://127.0.0.1:{closed_port()}/v1", patience=SHORT) as client:
        with pytest.raises(DraftlabError, match="cannot reach"):
            client.complete("small", "x", 8)
        with pytest.raises(DraftlabError, match="the server is not ready: cannot reach"):
            client.models()


def test_a_server_that_is_never_ready() -> None:
    began = time.monotonic()
    with (
        serve({"/v1/models": page("loading", 503)}) as (url, seen),
        Client(url, patience=Patience(health=0.5)) as client,
        pytest.raises(DraftlabError, match=r"not ready within 0\.5 s: .* status 503: loading"),
    ):
        client.models()
    assert 0.5 <= time.monotonic() - began < 5
    assert len(seen) >= 2


def test_a_server_that_becomes_ready() -> None:
    loaded = threading.Timer(0.3, lambda: answers.update({"/v1/models": MODELS}))
    answers = {"/v1/models": page("loading", 503)}
    with serve(answers) as (url, _), Client(url, patience=Patience(health=10)) as client:
        loaded.start()
        assert client.choose_model() == "small"


def test_a_refused_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [httpx2.ConnectError("refused"), httpx2.ConnectError("refused")]
    send = httpx2.Client.send

    def refused_twice(*arguments: Any, **named: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return send(*arguments, **named)

    monkeypatch.setattr(httpx2.Client, "send", refused_twice)
    with serve({"/v1/models": MODELS}) as (url, seen), Client(url) as client:
        assert client.models() == ["small"]
    assert len(seen) == 1


def test_what_has_reached_the_server_is_not_sent_again() -> None:
    with (
        serve({COMPLETE: page("busy", 500)}) as (url, seen),
        Client(url) as client,
        pytest.raises(DraftlabError, match="busy"),
    ):
        client.complete("small", "x", 8)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("name", "served", "message"),
    [
        ("large", '{"data": [{"id": "small"}]}', "has no model 'large'; it serves: small"),
        (None, '{"data": [{"id": "a"}, {"id": "b"}]}', "has several models; it serves: a, b"),
        (None, '{"data": []}', "does not say which models"),
        (None, '{"data": [{"id": 3}]}', "does not say which models"),
        (None, "[]", "does not say which models"),
        (None, "<html>", "what is no JSON"),
    ],
)
def test_which_model(name: str | None, served: str, message: str) -> None:
    with (
        serve({"/v1/models": page(served)}) as (url, _),
        Client(url) as client,
        pytest.raises(DraftlabError, match=message),
    ):
        client.choose_model(name)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "file:///etc", "http://", "http://[::1/v1", "http://a:99999/v1", "http://a:b/v1"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(DraftlabError, match="is no address of a server"):
        Client(url)


def test_counters_are_looked_at_before_and_after() -> None:
    def shown(drafts: int, drafted: int, accepted: int) -> Answer:
        return page(
            f"vllm:spec_decode_num_drafts_total {drafts}\nvllm:spec_decode_num_draft_tokens_total {drafted}\n"
            f"vllm:spec_decode_num_accepted_tokens_total {accepted}\n", kind="text/plain",
        )  # fmt: skip

    answers = {"/metrics": shown(10, 30, 20)}
    with serve(answers) as (url, _), Client(url) as client:
        before = client.counters()
        answers["/metrics"] = shown(12, 36, 25)
        after = client.counters()
        assert before is not None and after is not None
        assert require_speculation(after.since(before)) == SpeculationCounts(6, 5, 2)
        with pytest.raises(DraftlabError, match="went from 12 back to 10"):
            before.since(after)
        del answers["/metrics"]
        assert client.counters() is None


def test_tensorrt_llm_tells_of_each_reply_once() -> None:
    told = {"acceptance_rate": 0.5, "total_draft_tokens": 6, "total_accepted_draft_tokens": 3}
    records = [{"request_id": 1, "perf_metrics": {"first_iter": 1, "speculative_decoding": told}}]
    answers = {"/metrics": page("[]"), "/perf_metrics": page("[]")}
    with serve(answers) as (url, _), Client(url) as client:
        before = client.counters()
        answers["/perf_metrics"] = page(json.dumps([*records, *records]))
        after = client.counters()
        answers["/perf_metrics"] = page(json.dumps([{"request_id": 2, "perf_metrics": {"first_iter": 9}}]))
        later = client.counters()
        assert before is not None and after is not None and later is not None
        assert after.since(before) == SpeculationCounts(12, 6)
        assert later != after and later.since(after) == SpeculationCounts(0, 0)
        for wrong in (
            "{}",
            "no JSON",
            "[1]",
            '[{"perf_metrics": {"speculative_decoding": {"total_draft_tokens": "6"}}}]',
        ):
            answers["/perf_metrics"] = page(wrong)
            with pytest.raises(DraftlabError, match="record"):
                client.counters()
        del answers["/perf_metrics"]
        assert client.counters() is None


def silent(handler: object) -> None:
    time.sleep(0.8)


TRICKLE = stream(*[b"# ", lambda: time.sleep(0.1)] * 15)


@pytest.mark.parametrize(
    ("answer", "message"),
    [(silent, r"was silent for 0\.3 s"), (TRICKLE, r"was not complete within 0\.3 s")],
)
def test_no_page_is_waited_for_for_ever(answer: Answer, message: str) -> None:
    with serve({"/v1/models": answer, "/metrics": answer}) as (url, _), Client(url, patience=SHORT) as client:
        for ask in (client.models, client.counters):
            began = time.monotonic()
            with pytest.raises(DraftlabError, match=message):
                ask()
            assert time.monotonic() - began < 1.2  # the server goes on for longer where it trickles


@pytest.mark.parametrize("answer", [silent, TRICKLE])
def test_looks_at_a_server_that_is_not_ready_end_in_time(answer: Answer) -> None:
    patience = Patience(silence=60.0, health=0.4)
    with serve({"/v1/models": answer}) as (url, _), Client(url, patience=patience) as client:
        began = time.monotonic()
        with pytest.raises(DraftlabError, match=r"not ready within 0\.4 s"):
            client.models()
        assert time.monotonic() - began < 1.2


def test_a_page_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("draftlab.endpoint.client._LARGEST_PAGE", 2**20)
    with (
        serve({"/metrics": page("x" * (2**20 + 1))}) as (url, _),
        Client(url) as client,
        pytest.raises(DraftlabError, match="answers with more than 1 MiB"),
    ):
        client.counters()


def test_counters_are_below_the_prefix_of_a_proxy() -> None:
    with serve({"/metrics": MODELS}) as (url, seen), Client(url.replace("/v1", "/deep/model/v1/")) as client:
        assert client.counters() is None
    assert [path for path, _ in seen] == ["/deep/model/metrics"]
