"""The public kit over everything registered, and the kit itself against things that break the contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from draftlab.drafters import DRAFTERS
from draftlab.drafters.model import ModelDrafter
from draftlab.drafters.ngram import NgramDrafter
from draftlab.drafters.reference import DrafterReference, build_drafter
from draftlab.engines.toy import ToyModel
from draftlab.rules import RULES
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.testing import check_drafter, check_engine, check_rule
from draftlab.testing.planted import (
    ArgmaxWithSoftQ,
    DraftNoiseForCorrection,
    OneCoin,
    RawQ,
    ResidualFromP,
    ResidualWarpedAgain,
    StaleDraftCache,
    TokenRule,
    TokenRuleAsBlock,
)
from draftlab.types import Draft, Drafter, DrafterContext, Rng, Round, VerificationRule
from tests.models.eagle import eagle_config, eagle_tensors, save_eagle

# What a drafter cannot be built without; a registered drafter that needs more must be named here.
ARGUMENTS = {"model": "toy:0.5", "lookup": "model:toy:0.5"}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An EAGLE-3 head of two of the three tokens of the kit's target."""
    config = eagle_config(3, ToyModel(3).hidden_size, 2)
    return save_eagle(tmp_path_factory.mktemp("head"), config, eagle_tensors(config, gain=2.0))


@pytest.mark.parametrize("name", DRAFTERS.names())
def test_registered_drafters_conform(name: str, head: Path) -> None:
    reference = DrafterReference(name, str(head) if name == "eagle" else ARGUMENTS.get(name), {})
    check_drafter(lambda context: build_drafter(reference, context))


@pytest.mark.parametrize("options", [{"stop_product": "0.3"}, {"stop_confidence": "0.4"}, {"head": "2"}], ids=str)
def test_so_does_a_model_with_its_options(options: dict[str, str]) -> None:
    check_drafter(lambda context: build_drafter(DrafterReference("model", "toy:0.5", options), context))


@pytest.mark.parametrize("shortest", [1, 2])
@pytest.mark.parametrize("other", ["model:toy:0.5", "model:toy:0.5,stop_confidence=0.4", "eagle"])
def test_so_do_drafters_behind_prompt_lookup(other: str, shortest: int, head: Path) -> None:
    argument = f"eagle:{head}" if other == "eagle" else other
    options = {"lookup_min_ngram": str(shortest)}
    check_drafter(lambda context: build_drafter(DrafterReference("lookup", argument, options), context))


@pytest.mark.parametrize("name", RULES.names())
def test_registered_rules_conform(name: str) -> None:
    check_rule(RULES.load(name)())


@pytest.mark.parametrize("model", [ToyModel(5), ToyModel(97, 0.3), ToyModel(4, scale=0.1)])
def test_toys_conform(model: ToyModel) -> None:
    check_engine(model)


class Chatty(NgramDrafter):
    """Drafts more than it may."""

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        return Draft([0] * (limit + 1))


class Meddling(NgramDrafter):
    """Writes into the text that it was shown."""

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        assert isinstance(tokens, list)
        tokens.append(0)
        return Draft(())


class Forgetless(ModelDrafter):
    """Never takes rejected tokens back, so its q belongs to another text."""

    def observe(self, outcome: Round) -> None:
        pass


@pytest.mark.parametrize(("drafter", "complaint"), [(Chatty, "limit"), (Meddling, "changed the text")])
def test_the_kit_finds_a_drafter_that_breaks_the_contract(drafter: type[NgramDrafter], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_drafter(drafter.build)


def test_the_kit_finds_a_drafter_that_does_not_roll_back() -> None:
    def build(context: DrafterContext) -> Drafter:
        loaded = context.load_model("toy:0.5")
        return Forgetless(loaded.model, context.warp_for("toy"))

    with pytest.raises((AssertionError, RuntimeError)):  # torch.stack of nothing, once its cache is ahead of the text
        check_drafter(build)


class Sticky(ToyModel):
    """Rolls back one token too few."""

    def rollback(self, length: int) -> None:
        super().rollback(min(length + 1, self.length))


class Noisy(ToyModel):
    """Rounds differently whenever it sees several rows."""

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> torch.Tensor:
        return super().forward(tokens, num_rows) + 1e-3 * len(tokens)


@pytest.mark.parametrize("model", [Sticky(5), Noisy(5)])
def test_the_kit_finds_an_engine_that_breaks_the_contract(model: ToyModel) -> None:
    with pytest.raises(AssertionError):
        check_engine(model)


def warper(sampling: Sampling) -> Warper:
    return Warper(sampling, "toy")


@pytest.mark.parametrize(
    "rule",
    [ResidualFromP(), OneCoin(), DraftNoiseForCorrection(), ResidualWarpedAgain(warper(Sampling(temperature=0.7)))],
    ids=lambda rule: type(rule).__name__,
)
def test_the_kit_finds_planted_rules(rule: VerificationRule) -> None:
    with pytest.raises(AssertionError, match="off"):
        check_rule(rule)


@pytest.mark.parametrize("rule", [TokenRule(), TokenRuleAsBlock()], ids=lambda rule: type(rule).__name__)
def test_the_kit_looks_at_the_law_of_a_rule_and_not_at_its_cost(rule: VerificationRule) -> None:
    check_rule(rule)


def planted_drafter(kind: type[ArgmaxWithSoftQ | RawQ | StaleDraftCache]) -> Callable[[DrafterContext], Drafter]:
    def build(context: DrafterContext) -> Drafter:
        warp = context.warp_for("toy")
        assert isinstance(warp, Warper)
        return kind(context.load_model("toy:0.5").model, warp)

    return build


@pytest.mark.parametrize("kind", [ArgmaxWithSoftQ, RawQ])
def test_the_kit_finds_a_drafter_whose_q_is_not_what_it_drew_from(kind: type[ArgmaxWithSoftQ | RawQ]) -> None:
    with pytest.raises(AssertionError, match="q is not what was drawn"):
        check_drafter(planted_drafter(kind))


def test_the_kit_looks_at_the_law_of_a_drafter_and_not_at_its_cost() -> None:
    check_drafter(planted_drafter(StaleDraftCache))


def test_a_cache_that_lacks_nothing_is_an_engine() -> None:
    """The model in which a stale cache is planted keeps the contract as long as nothing was accepted in full."""
    check_engine(StaleDraftCache(ToyModel(5), warper(Sampling())).model)
