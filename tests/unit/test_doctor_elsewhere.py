"""The table of other engines: one line for each engine and pair, with version and source."""

from __future__ import annotations

from typing import Any

import pytest

from draftlab.doctor.elsewhere import _TABLE, look_up
from draftlab.doctor.versions import VERSIONS
from tests.unit.patients import SOUND, patient

ENGINES = ("transformers", "vLLM", "SGLang", "llama.cpp")
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str, str, str]]] = {
    "one width": ({}, {}, ("works", "works", "works", "works")),
    "the gap of Qwen2.5": ({"width": 152064}, {"width": 151936}, ("limited", "limited", "refuses", "works")),
    "the gap of Pythia": ({"width": 50688}, {"width": 50304}, ("limited", "limited", "refuses", "refuses")),
    "other words": ({}, {"words": {5: "x"}}, ("limited", "limited", "refuses", "refuses")),
    "other words and widths": ({"width": 18}, {"words": {5: "x"}}, ("limited", "limited", "refuses", "refuses")),
    "another marker below id 5": ({}, {"words": {1: "<stop>"}}, ("works", "works", "refuses", "works")),
    "a recurrent target": ({"recurrent": True}, {}, ("refuses", "not known", "not known", "not known")),
    "a recurrent drafter": ({}, {"recurrent": True}, ("limited", "not known", "not known", "not known")),
}


@pytest.mark.parametrize("case", PAIRS)
def test_what_each_engine_does(case: str) -> None:
    target, drafter, expected = PAIRS[case]
    lines = look_up(patient(**target), patient(**drafter))
    assert tuple(line.engine for line in lines) == ENGINES
    assert tuple(line.outcome for line in lines) == expected
    for line in lines:
        assert line.version == VERSIONS[line.engine]
        assert line.source and "{" not in line.what.replace('{"', "")


def test_the_words_of_a_gap_and_of_a_first_difference() -> None:
    wide = look_up(patient(width=50688), patient(width=50304))
    assert "differ by 384" in wide[3].what
    assert "id 7 differs" in look_up(SOUND, patient({7: "x"}))[3].what


def test_equal_widths_hide_other_words_from_two_engines() -> None:
    """The worst case: nothing is refused and nothing is gained."""
    lines = look_up(SOUND, patient({5: "x"}))
    assert "hardly any" in lines[0].what and "hardly any" in lines[1].what


def test_prompt_lookup() -> None:
    assert [line.outcome for line in look_up(SOUND, None)] == ["works"] * 4
    assert look_up(patient(recurrent=True), None)[0].outcome == "refuses"


def test_a_toy_exists_nowhere_else() -> None:
    assert look_up(patient(checkpoint=None), None) == ()


def test_every_line_can_be_reached_and_names_its_source() -> None:
    pairs = [(patient(**target), patient(**drafter)) for target, drafter, _ in PAIRS.values()]
    said = {line.what for target, drafter in pairs for line in look_up(target, drafter)}
    said |= {line.what for target in (SOUND, patient(recurrent=True)) for line in look_up(target, None)}
    said |= {line.what for line in look_up(SOUND, patient({7: "x"}))}
    plain = {line.what for line in _TABLE if "{" not in line.what}
    assert plain <= said
    assert all(line.source for line in _TABLE)
