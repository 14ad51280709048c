"""What is written is what is read, and nothing that the schema does not know is taken for a record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from draftlab.records import SCHEMA_VERSION, Rounds, RunManifest, Trace
from tests.unit.handmade import BASELINE, manifest, trace

COUNTS = st.lists(st.integers(0, 300), max_size=6).map(tuple)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NANOSECONDS = st.none() | st.integers(0, 2**62)
TRACES = st.builds(
    Trace,
    arm=TEXT,
    prompt_id=TEXT,
    repetition=st.integers(0, 9),
    seed=st.integers(0, 2**63 - 1),
    status=st.sampled_from(["ok", "failed"]),
    stop=st.none() | st.sampled_from(["length", "stop_token", "stop_string", "context"]),
    tokens=COUNTS,
    text=TEXT,
    prefill_ns=NANOSECONDS,
    decode_ns=NANOSECONDS,
    rounds=st.builds(Rounds, drafted=COUNTS, accepted=COUNTS, emitted=COUNTS),
    error=st.none() | TEXT,
)


@given(TRACES)
def test_a_trace_survives_its_line(original: Trace) -> None:
    line = original.model_dump_json(exclude_defaults=True)  # as the store writes it
    assert "\n" not in line
    assert "\r" not in line
    assert Trace.model_validate_json(line) == original


@given(TRACES)
def test_a_trace_holds_integers_and_strings_only(original: Trace) -> None:
    def leaves(value: object) -> list[object]:
        if isinstance(value, dict):
            return [leaf for part in value.values() for leaf in leaves(part)]
        return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [value]

    content = json.loads(original.model_dump_json())
    assert all(leaf is None or type(leaf) in (int, str) for leaf in leaves(content))


def test_a_manifest_survives_its_file_and_carries_the_schema_under_its_short_name() -> None:
    original = manifest(sampling_ignored=("top_h",), drafters={"distilgpt2": {"dtype": "float32"}})
    content = json.loads(original.model_dump_json(by_alias=True))
    assert content["schema"] == SCHEMA_VERSION
    assert RunManifest.model_validate(content) == original


@pytest.mark.parametrize("record", [trace(BASELINE, "a"), manifest(), manifest().arms[0], manifest().prompts[0]])
def test_a_key_that_the_schema_does_not_know_is_refused(record: BaseModel) -> None:
    content = {**record.model_dump(by_alias=True), "speedup": 2.0}
    with pytest.raises(ValidationError, match="speedup"):
        type(record).model_validate(content)


@pytest.mark.parametrize("name", ["arm", "prompt_id", "repetition", "seed", "status"])
def test_a_trace_without_its_key_is_refused(name: str) -> None:
    content = trace(BASELINE, "a").model_dump()
    del content[name]
    with pytest.raises(ValidationError, match=name):
        Trace.model_validate(content)


def test_a_time_is_never_a_fraction() -> None:
    with pytest.raises(ValidationError, match="decode_ns"):
        Trace.model_validate({**trace(BASELINE, "a").model_dump(), "decode_ns": 0.5})


def test_the_key_tells_arm_prompt_and_repetition() -> None:
    assert trace(BASELINE, "a", repetition=2).key == ("none", "a", 2)
