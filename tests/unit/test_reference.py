"""Drafters as they are written on the command line: `name[:argument][,option=value...]`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import pytest

from draftlab.drafters import DRAFTERS, reference
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.none import NoDrafter
from draftlab.drafters.reference import DrafterReference, build_drafter, parse_drafter
from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.registry import Entry, Registry
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.types import Draft, Drafter, DrafterContext, LoadedModel, Rng, Round, StoredTensors


class Probe:
    """A drafter with an option of every type that is worth having."""

    def __init__(self, **options: object) -> None:
        self.options = options

    @classmethod
    def build(
        cls,
        context: DrafterContext,
        *,
        argument: str = "",
        size: int = 1,
        share: float = 0.5,
        fast: bool = False,
        mode: Literal["a", "b"] = "a",
    ) -> Probe:
        return cls(argument=argument, size=size, share=share, fast=fast, mode=mode)

    def begin(self, prompt: Sequence[int]) -> None: ...

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        return Draft(())

    def observe(self, outcome: Round) -> None: ...


@pytest.fixture
def _probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "DRAFTERS", Registry("drafter", {"probe": Entry(f"{__name__}:Probe", "")}))


def build(text: str) -> Drafter:
    loaded = LoadedModel(ToyModel(97), ToyTokenizer(), {}, {})
    nothing = StoredTensors("", {}, {}, {})
    warp_for = partial(Warper, Sampling())
    context = DrafterContext(loaded, lambda name, compress="none", head=0: loaded, warp_for, lambda name: nothing)
    return build_drafter(parse_drafter(text), context)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", DrafterReference("none", None, {})),
        ("model:Qwen/Qwen2.5-0.5B", DrafterReference("model", "Qwen/Qwen2.5-0.5B", {})),
        ("model:", DrafterReference("model", "", {})),
        ("model:C:/folder", DrafterReference("model", "C:/folder", {})),
        ("ngram,max_ngram=4", DrafterReference("ngram", None, {"max_ngram": "4"})),
        ("ngram, max_ngram = 4 ,min_ngram=2", DrafterReference("ngram", None, {"max_ngram": "4", "min_ngram": "2"})),
        ("model:./folder,compress=a=b", DrafterReference("model", "./folder", {"compress": "a=b"})),
        ("model:a+b", DrafterReference("model", "a+b", {})),
        ("lookup+model:a+b", DrafterReference("lookup", "model:a+b", {})),
        (
            "lookup+eagle:./head,stop_confidence=0.3, lookup_min_ngram=4 ,compress=none",
            DrafterReference("lookup", "eagle:./head,stop_confidence=0.3,compress=none", {"lookup_min_ngram": "4"}),
        ),
    ],
)
def test_a_reference_is_read(text: str, expected: DrafterReference) -> None:
    assert parse_drafter(text) == expected


@pytest.mark.parametrize("text", ["ngram,max_ngram", "ngram,", "ngram,=3"])
def test_an_option_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(DraftlabError, match="has the option") as caught:
        parse_drafter(text)
    assert caught.value.hint == "Options are written name=value."


@pytest.mark.parametrize("text", ["lookup+", "lookup+none", "lookup+lookup+ngram", "lookup+lookup", "lookup+,a=b"])
def test_lookup_needs_somebody_behind_it(text: str) -> None:
    with pytest.raises(DraftlabError, match="names nobody who drafts where lookup finds nothing") as caught:
        parse_drafter(text)
    assert caught.value.hint and "lookup+model:NAME" in caught.value.hint


def test_a_colon_does_not_put_lookup_before_another() -> None:
    with pytest.raises(DraftlabError, match="a colon for a plus sign"):
        parse_drafter("lookup:model:gpt2")


@pytest.mark.parametrize(("text", "name"), [("ngram+model:gpt2", "ngram.model"), ("lookup+modl:gpt2", "modl")])
def test_nothing_else_is_put_before_or_behind(text: str, name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no drafter is called '{name}'"):
        parse_drafter(text)


def test_an_unknown_drafter_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no drafter is called 'ngrm'") as caught:
        parse_drafter("ngrm,max_ngram=3")
    assert caught.value.hint == "Did you mean 'ngram'?"


@pytest.mark.usefixtures("_probe")
def test_options_become_what_the_drafter_says_they_are() -> None:
    drafter = build("probe:some/model,size=3,share=0.25,fast=true,mode=b")
    assert isinstance(drafter, Probe)
    assert drafter.options == {"argument": "some/model", "size": 3, "share": 0.25, "fast": True, "mode": "b"}


@pytest.mark.usefixtures("_probe")
@pytest.mark.parametrize("pair", ["size=three", "size=1.5", "share=much", "fast=perhaps", "mode=c"])
def test_a_value_of_the_wrong_kind_is_refused_in_one_line(pair: str) -> None:
    name, _, value = pair.partition("=")
    with pytest.raises(DraftlabError, match=f"drafter 'probe': {name} cannot be '{value}'") as caught:
        build(f"probe,{pair}")
    assert caught.value.hint
    assert "\n" not in str(caught.value)


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no option of drafter 'ngram' is called 'max_ngrams'") as caught:
        build("ngram,max_ngrams=3")
    assert caught.value.hint == "Did you mean 'max_ngram'?"


def test_the_argument_is_no_option() -> None:
    with pytest.raises(UnknownNameError) as caught:
        build("model:toy,size=3")
    assert "argument" not in str(caught.value).partition("there are:")[2]


def test_an_argument_that_nobody_takes_is_refused() -> None:
    with pytest.raises(DraftlabError, match="drafter 'ngram' takes no argument, got 'gpt2'"):
        build("ngram:gpt2")


def test_built_in_drafters_are_built_from_their_references() -> None:
    assert isinstance(build("none"), NoDrafter)
    drafter = build("ngram,max_ngram=5,min_ngram=2")
    assert isinstance(drafter, NgramDrafter)
    assert (drafter.max_ngram, drafter.min_ngram) == (5, 2)


@pytest.mark.parametrize("options", ["max_ngram=0", "min_ngram=0", "min_ngram=4", "max_ngram=-1,min_ngram=-2"])
def test_an_ngram_drafter_that_matches_nothing_is_refused(options: str) -> None:
    with pytest.raises(DraftlabError, match="drafter 'ngram' cannot match"):
        build(f"ngram,{options}")


def test_a_model_drafter_needs_a_model() -> None:
    for text in ("model", "model:"):
        with pytest.raises(DraftlabError, match="drafter 'model' needs a model"):
            build(text)


def test_every_registered_drafter_can_be_written() -> None:
    for name in DRAFTERS.names():
        assert parse_drafter(name).name == name
