"""The judged tokens of a recorded decode: which there are, and what is known of each."""

from __future__ import annotations

from draftlab.report.judged import Judged, judged_tokens
from tests.unit.handmade import DRAFTED, prompt
from tests.unit.spelled import STOP, Spelling, detail, run_of, watched


def test_accepted_tokens_and_the_first_rejected_one_are_judged() -> None:
    spell = Spelling()
    rounds = [
        watched(spell("def", " x", " y"), 1, spell("def", " f"), entropy=[0.1, 0.2, 0.3, 0.4], overlap=[0.9, 0.8, 0.7]),
        watched(spell("()"), 1, spell("()", ":"), entropy=[0.5, 0.6], overlap=[1.0]),
        watched((), 0, spell(" 1"), entropy=[0.7]),
    ]
    run = run_of([detail("a", rounds, spell("# go\n"))], spell.bytes)
    assert judged_tokens(run, DRAFTED, "all") == {
        "a": [
            Judged(True, 0.9, 0.1, "keyword"),
            Judged(False, 0.8, 0.2, "identifier"),  # " f", which the target wrote, and not " x"
            Judged(True, 1.0, 0.5, "punctuation"),
        ]
    }


def test_the_class_is_that_of_the_place_and_not_of_what_was_drafted() -> None:
    spell = Spelling()
    run = run_of(
        [detail("a", [watched(spell("7"), 0, spell("seven"))], spell("it is "))], spell.bytes, [prompt("a", "prose")]
    )
    (found,) = judged_tokens(run, DRAFTED, "prose")["a"]
    assert (found.accepted, found.token_class) == (False, "word")


def test_a_token_that_ends_the_text_is_an_end_and_those_after_it_have_no_place() -> None:
    spell = Spelling()
    rounds = [watched((*spell("a"), STOP, *spell("b", "c")), 3, (*spell("a"), STOP))]
    found = judged_tokens(run_of([detail("a", rounds)], spell.bytes), DRAFTED, "all")["a"]
    assert [(token.accepted, token.token_class) for token in found] == [(True, "identifier"), (True, "end")]


def test_other_categories_other_arms_and_decodes_that_failed_are_left_out() -> None:
    spell = Spelling()
    rounds = [watched(spell("a"), 1, spell("a", "b"))]
    failed = detail("c", ()).model_copy(update={"error": "Oops"})
    details = [
        detail("a", rounds),
        detail("b", rounds),
        failed,
        detail("a", rounds).model_copy(update={"arm": "other"}),
    ]
    run = run_of(details, spell.bytes, [prompt("a", "code"), prompt("b", "prose"), prompt("c", "code")])
    assert list(judged_tokens(run, DRAFTED, "code")) == ["a"]
    assert list(judged_tokens(run, DRAFTED, "all")) == ["a", "b"]


def test_a_token_whose_bytes_are_not_on_record_does_no_harm() -> None:
    (found,) = judged_tokens(run_of([detail("a", [watched([7], 1, [7, 8])])]), DRAFTED, "all")["a"]
    assert found.token_class == "punctuation"
