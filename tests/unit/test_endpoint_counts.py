"""What engines tell of speculation, in our counts: payloads of the releases that the modules name."""

from __future__ import annotations

from typing import Any

import pytest

from draftlab.endpoint.counts import SpeculationCounts, checked, counts_of_reply, require_speculation
from draftlab.endpoint.prometheus import Counters, read_counters
from draftlab.errors import DraftlabError

# 12 new tokens: rounds that drafted (3, 3, 2) tokens and accepted (3, 1, 0) of them, and 5 rounds without a draft.
OURS = SpeculationCounts(drafted=8, accepted=4, drafts=3, accepted_at=(2, 1, 1))
VLLM = {
    "mean_acceptance_length": 2.33, "draft_acceptance_rate": 0.5, "acceptance_histogram": [1, 1, 0, 1],
    "num_spec_steps": 3, "num_accepted_draft_tokens": 4, "num_draft_tokens": 8, "num_spec_tokens": 3,
}  # fmt: skip
LLAMA = {"predicted_n": 12, "predicted_ms": 80.0, "draft_n": 8, "draft_n_accepted": 4}
SGLANG = {
    "spec_verify_ct": 3, "spec_num_correct_drafts": 4, "spec_num_proposed_drafts": 9, "spec_accept_rate": 0.44,
    "spec_accept_length": 2.3, "spec_correct_drafts_histogram": [1, 1, 0, 1],
}  # fmt: skip
PAGE = """\
# HELP vllm:spec_decode_num_drafts_total Number of spec decoding drafts.
# TYPE vllm:spec_decode_num_drafts_total counter
vllm:spec_decode_num_drafts_total{engine="0",model_name="a \\"b\\" {c}"} 2.0
vllm:spec_decode_num_drafts_total{engine="1",model_name="x"} 1.0
vllm:spec_decode_num_drafts_created{engine="0"} 1.7e+09
vllm:spec_decode_num_draft_tokens_total{engine="0"} 8.0
vllm:spec_decode_num_accepted_tokens_total{engine="0"} 4.0 1700000000000
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="0"} 2.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="1"} 1.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="2"} 1.0
vllm:e2e_request_latency_seconds_bucket{le="+Inf"} 3
vllm:some_gauge NaN
"""


def test_vllm_in_its_reply() -> None:
    assert counts_of_reply({"metrics": {"speculative_decoding": VLLM}}) == OURS


def test_llama_cpp_in_its_reply() -> None:
    assert counts_of_reply({"timings": LLAMA}) == SpeculationCounts(8, 4)


def test_sglang_in_its_reply() -> None:
    """It counts every place of its tree as drafted."""
    assert counts_of_reply({"meta_info": SGLANG}) == SpeculationCounts(9, 4, 3, (2, 1, 1))


def test_both_pages_of_counters() -> None:
    none = Counters({})
    for text in (PAGE, PAGE.replace("vllm:", "llamacpp:")):
        counters = read_counters(text)
        assert counters is not None
        assert counters.since(none) == OURS
        assert counters.since(counters) == SpeculationCounts(0, 0, 0, (0, 0, 0))


def test_our_figures_follow_from_the_counts() -> None:
    assert OURS.draft_utilization == 0.5
    assert OURS.rounds(num_tokens=12) == 8
    assert OURS.block_efficiency(num_tokens=12) == 1.5  # vLLM says 1 + 4 / 3: rounds without a draft are left out there
    assert SpeculationCounts(0, 0).draft_utilization is None
    assert SpeculationCounts(0, 0).block_efficiency(0) is None


@pytest.mark.parametrize("extras", [{}, {"timings": 3}, {"metrics": {"other": 1}}, {"meta_info": {}}])
def test_a_reply_that_tells_nothing(extras: dict[str, Any]) -> None:
    assert counts_of_reply(extras) is None
    with pytest.raises(DraftlabError, match="tells nothing of speculation"):
        require_speculation(counts_of_reply(extras))


def test_a_server_that_drafts_nothing_does_not_speculate() -> None:
    with pytest.raises(DraftlabError, match="drafted nothing"):
        require_speculation(SpeculationCounts(0, 0, 0))
    with pytest.raises(DraftlabError, match="drafted nothing"):
        require_speculation(counts_of_reply({"timings": {"predicted_n": 3}}))
    assert require_speculation(OURS) == OURS


@pytest.mark.parametrize(
    "counts",
    [
        (3, 4), (-1, -2), (3, -1), (3, 2, 4),
        (8, 4, 3, (1, 2, 1)), (8, 4, 3, (2, 1)), (8, 4, 1, (2, 1, 1)), (8, 4, 3, (3, 2, -1)),
    ],
)  # fmt: skip
def test_counts_that_cannot_be_true(counts: Any) -> None:
    with pytest.raises(DraftlabError, match="contradict one another"):
        checked(*counts)


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ({"timings": {"draft_n": 3}}, "draft_n_accepted is None"),
        ({"timings": {"draft_n": "3", "draft_n_accepted": 1}}, "draft_n is '3'"),
        ({"metrics": {"speculative_decoding": {**VLLM, "num_spec_steps": 1.5}}}, "num_spec_steps is 1.5"),
        ({"metrics": {"speculative_decoding": {**VLLM, "acceptance_histogram": [1, -1]}}}, "histogram"),
        ({"meta_info": {**SGLANG, "spec_correct_drafts_histogram": "x"}}, "histogram"),
    ],
)
def test_counts_that_are_no_numbers(extras: dict[str, Any], message: str) -> None:
    with pytest.raises(DraftlabError, match=message):
        counts_of_reply(extras)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html>no</html>", "a line that is none"),
        ("vllm:spec_decode_num_drafts_total lots", "is 'lots'"),
        ("vllm:spec_decode_num_drafts_total 1.5", "is '1.5'"),
        ("vllm:spec_decode_num_drafts_total NaN", "is 'NaN'"),
        ("vllm:spec_decode_num_drafts_total -1", "is '-1'"),
        ('vllm:spec_decode_num_accepted_tokens_per_pos_total{position="x"} 1', "of position 'x'"),
        ('vllm:spec_decode_num_accepted_tokens_per_pos_total{position="99999999"} 1', "of position '99999999'"),
    ],
)
def test_pages_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(DraftlabError, match=message):
        read_counters(text)


def test_a_page_without_speculation() -> None:
    assert read_counters("vllm:num_requests_running 1\n") is None
    assert read_counters("") is None


def test_a_server_that_was_started_again() -> None:
    before, after = read_counters(PAGE), read_counters(PAGE.replace(" 8.0", " 5.0"))
    assert before is not None and after is not None
    with pytest.raises(DraftlabError, match="num_draft_tokens went from 8 back to 5"):
        after.since(before)
    forgetful = read_counters("\n".join(line for line in PAGE.splitlines() if "num_drafts_total" not in line))
    assert forgetful is not None
    with pytest.raises(DraftlabError, match="num_drafts has gone"):
        forgetful.since(before)


def test_when_a_counter_was_created_is_no_counter() -> None:
    """As vLLM 0.32 writes them: seconds since 1970, with a fraction."""
    page = """vllm:spec_decode_num_drafts_total{engine="0"} 3.0
vllm:spec_decode_num_drafts_created{engine="0"} 1.7955356501134863e+09
vllm:spec_decode_num_draft_tokens_total{engine="0"} 12.0
vllm:spec_decode_num_draft_tokens_created{engine="0"} 1.7955356501134863e+09
vllm:spec_decode_num_accepted_tokens_total{engine="0"} 5.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",position="0"} 5.0
vllm:spec_decode_num_accepted_tokens_per_pos_created{engine="0",position="0"} 1.7955356501134863e+09
"""
    found = read_counters(page)
    assert found is not None
    assert dict(found.totals) == {"num_drafts": 3, "num_draft_tokens": 12, "num_accepted_tokens": 5}
    assert dict(found.accepted_at) == {0: 5}
