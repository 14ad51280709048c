"""Errors say what cannot be done, what was given, and what to do."""

from __future__ import annotations

import pytest

from draftlab.errors import DraftlabError, NonFiniteLogitsError, UnknownNameError


def test_the_hint_is_kept_and_shown_in_a_traceback() -> None:
    error = DraftlabError("it does not fit", "Take a smaller one.")
    assert str(error) == "it does not fit"
    assert error.hint == "Take a smaller one."
    assert error.__notes__ == ["hint: Take a smaller one."]


def test_an_error_without_a_hint_has_no_note() -> None:
    error = DraftlabError("it does not fit")
    assert error.hint is None
    assert not hasattr(error, "__notes__")


def test_an_unknown_name_is_answered_with_all_names_and_the_nearest() -> None:
    error = UnknownNameError("drafter", "ngrm", ["none", "ngram", "model"])
    assert str(error) == "no drafter is called 'ngrm'; there are: model, ngram, none"
    assert error.hint == "Did you mean 'ngram'?"


def test_a_name_unlike_all_others_gets_no_suggestion() -> None:
    assert UnknownNameError("drafter", "zzz", ["none", "ngram"]).hint is None


def test_non_finite_logits_name_the_model_and_the_place() -> None:
    error = NonFiniteLogitsError("gpt2", 17)
    assert "'gpt2'" in str(error)
    assert "position 17" in str(error)
    assert "float32" in (error.hint or "")


@pytest.mark.parametrize("error", [UnknownNameError("rule", "x", ["y"]), NonFiniteLogitsError("m", 0)])
def test_every_error_is_caught_as_one_kind(error: Exception) -> None:
    assert isinstance(error, DraftlabError)
