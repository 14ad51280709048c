"""What every engine, drafter and rule has to keep. Each check raises AssertionError with what was broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch

from draftlab.decoding import Decoder
from draftlab.distributions import Dense, PointMasses
from draftlab.draft_length import Fixed
from draftlab.engines.toy import ToyModel, ToyTokenizer
from draftlab.models import LoadOptions, resolve
from draftlab.rules.rejection import RejectionRule
from draftlab.sampling import Warper
from draftlab.spec import Sampling
from draftlab.stopping import Stopping
from draftlab.testing.enumeration import EnumeratedChance, enumerate_law
from draftlab.testing.laws import law_of_decoding, total_variation
from draftlab.testing.oracle import law_of_target
from draftlab.types import (
    Chance,
    Compression,
    Distributions,
    Draft,
    Drafter,
    DrafterContext,
    LanguageModel,
    LoadedModel,
    Round,
    StoredTensors,
    VerificationRule,
)

TOLERANCE = 1e-9
_VOCAB = 3
_SCALE = 1.0  # flat enough that every branch has weight
_STOP = frozenset({2})
_FEW = 2  # tokens that may follow where a target has more than the toy: all of its texts have to be listed
_PROMPTS = ([1, 0, 1, 0], [0])


def check_engine(model: LanguageModel, tokens: Sequence[int] = (1, 2, 0, 1, 1, 0, 2), tolerance: float = 1e-9) -> None:
    """A cache that can be split, taken back and forgotten without changing a logit by more than `tolerance`."""
    split = len(tokens) // 2
    model.reset()
    assert model.length == 0, "reset() leaves tokens behind"
    whole = model.forward(tokens)
    assert whole.shape == (len(tokens), model.vocab_size), f"forward() returned {tuple(whole.shape)}"
    assert model.length == len(tokens), "length does not count the tokens passed"
    model.reset()
    parts = torch.cat([model.forward(tokens[:split]), model.forward(tokens[split:])])
    _same(parts, whole, tolerance, "two passes differ from one")
    model.rollback(split)
    assert model.length == split, "rollback() did not set the length"
    other = [(t + 1) % model.vocab_size for t in tokens[split:]]
    model.forward(other)
    model.rollback(split)
    _same(model.forward(tokens[split:]), whole[split:], tolerance, "a pass after rollback differs")
    model.rollback(model.length)
    model.reset()
    _same(model.forward(tokens, num_rows=2), whole[-2:], tolerance, "num_rows=2 differs from the last two rows")
    one_by_one = []
    model.reset()
    for token in tokens:
        one_by_one.append(model.forward([token]))
        model.rollback(model.length)
    _same(torch.cat(one_by_one), whole, tolerance, "one row at a time differs from all at once")


def check_drafter(
    build: Callable[[DrafterContext], Drafter],
    context_for: Callable[[Sampling], DrafterContext] | None = None,
    *,
    gammas: Sequence[int] = (1, 2, 3),
    num_tokens: int = 3,
    tolerance: float = TOLERANCE,
) -> None:
    """Drafts within the limit, says what it drew from, forgets what was taken back, and loses nothing.

    The target is a toy of three tokens, or that of `context_for`, for a drafter that needs one of its own. That target
    has to score a token alike in whatever block it stands, up to `tolerance`: in 16 bit that is exact mode. With more
    than three tokens, only the two likeliest are drawn. All texts of `num_tokens` after two prompts are listed.
    """
    context_for = context_for or _toy_context
    size = context_for(Sampling()).target.model.vocab_size
    # Not temperature 1: there a q that was reported before it was warped would be the right one.
    for sampling in (Sampling(), Sampling(temperature=0.7, top_k=_FEW if size > _VOCAB else 0)):
        context = context_for(sampling)
        drafter = _Watched(build(context))
        for gamma in gammas:
            decoder = _decoder(context, drafter, RejectionRule(), sampling, gamma)
            # Two texts in turn: begin() has to make the second independent of the first.
            for prompt in _PROMPTS:
                law = law_of_decoding(decoder, prompt, num_tokens)
                distance = total_variation(law, _oracle(context.target.model, prompt, sampling, num_tokens))
                assert distance < tolerance, (
                    f"output law is {distance:.3g} off at gamma {gamma}, {sampling}: q is not what was drawn"
                )


def check_rule(rule: VerificationRule) -> None:
    """Accepts a prefix, handles the hard pairs of p and q, and keeps the target's law exactly if it says so."""
    for name in ("lossless", "coupled"):
        assert isinstance(getattr(rule, name, None), bool), f"a rule has to say whether it is {name}: True or False"
    for p_rows, q_rows in _hard_pairs():
        law = enumerate_law(_one_round(rule, p_rows, q_rows))
        assert abs(sum(law.values()) - 1.0) < TOLERANCE, "the branches of the rule do not add up to 1"
        expected = _chain_rule(p_rows)
        distance = total_variation(_pad(law, p_rows), expected)
        assert not rule.lossless or distance < TOLERANCE, (
            f"the rule says lossless, and is {distance:.3g} off for q={q_rows}"
        )
    for sampling, gamma in product((Sampling(), Sampling(temperature=0.8, top_p=0.9)), (0, 1, 2, 3)):
        context = _toy_context(sampling)
        drafter = build_toy_drafter(context)
        law = law_of_decoding(_decoder(context, drafter, rule, sampling, gamma), [0, 1], 3)
        distance = total_variation(law, _oracle(context.target.model, [0, 1], sampling, 3))
        assert not rule.lossless or distance < TOLERANCE, (
            f"whole texts are {distance:.3g} off at gamma {gamma}, {sampling}"
        )


def build_toy_drafter(context: DrafterContext) -> Drafter:
    """A model drafter on a toy near the target: it carries q, and is often but not always right."""
    from draftlab.drafters.model import ModelDrafter

    loaded = context.load_model("toy:0.5")
    return ModelDrafter(loaded.model, context.warp_for(loaded.model.name))


class _Watched:
    """A drafter whose every proposal is held against the contract."""

    def __init__(self, inner: Drafter) -> None:
        self._inner = inner

    def begin(self, prompt: Sequence[int]) -> None:
        self._inner.begin(prompt)

    def propose(self, tokens: Sequence[int], limit: int, rng: object) -> Draft:
        before = list(tokens)
        draft = self._inner.propose(tokens, limit, rng)  # type: ignore[arg-type]
        assert list(tokens) == before, "propose() changed the text"
        assert len(draft.tokens) <= limit, f"{len(draft.tokens)} tokens drafted, the limit was {limit}"
        if draft.q is not None:
            assert len(draft.q) == len(draft.tokens), "q needs one row per drafted token"
            assert all(m > 0 for m in draft.q.probabilities(draft.tokens)), "a drafted token has probability 0 in its q"
        return draft

    def observe(self, outcome: Round) -> None:
        self._inner.observe(outcome)


def _decoder(
    context: DrafterContext, drafter: Drafter, rule: VerificationRule, sampling: Sampling, gamma: int
) -> Decoder:
    target = context.target.model  # the same, for drafters that read its hidden states
    return Decoder(target, drafter, rule, Warper(sampling, target.name), Fixed(gamma), Stopping(_STOP))


def _toy_context(sampling: Sampling) -> DrafterContext:
    def toy(reference: str, compress: Compression = "none", head: int = 0) -> LoadedModel:
        variation = float(reference.partition(":")[2] or 0.5)
        return LoadedModel(
            ToyModel(_VOCAB, variation, scale=_SCALE, cut=head), ToyTokenizer(), {}, {"source": reference}
        )

    def tensors(reference: str) -> StoredTensors:
        from draftlab.engines.tensors import load_tensors

        return load_tensors(resolve(reference), LoadOptions())

    return DrafterContext(toy("toy:0"), toy, lambda name: Warper(sampling, name, width=_VOCAB), tensors)


def _oracle(
    model: LanguageModel, prompt: Sequence[int], sampling: Sampling, max_new_tokens: int
) -> dict[tuple[int, ...], float]:
    def logits(text: Sequence[int]) -> list[float]:
        model.reset(len(prompt) + max_new_tokens)
        known = len(prompt) - 1
        if known:
            model.forward(text[:known], num_rows=1)
        # One by one, as plain decoding scores them.
        rows = [model.forward([token], num_rows=1) for token in text[known:]]
        last: list[float] = rows[-1][-1].tolist()
        return last

    return law_of_target(logits, prompt, sampling, max_new_tokens, _STOP)


def _hard_pairs() -> list[tuple[list[list[float]], list[list[float]] | None]]:
    """(p rows, q rows) for two drafted tokens: alike, disjoint, point masses, q = 0 where p > 0, no q at all."""
    p = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]
    return [
        (p, p[:2]),
        (p, [[0.1, 0.3, 0.6], [0.5, 0.2, 0.3]]),
        (p, [[0.0, 0.4, 0.6], [0.0, 0.0, 1.0]]),
        ([[0.4, 0.4, 0.2]] * 3, [[0.1, 0.1, 0.8]] * 2),  # a residual of two tokens shows a draw that is used again
        ([[1.0, 0.0, 0.0]] * 3, [[0.0, 0.5, 0.5]] * 2),
        ([[0.5, 0.5, 0.0]] * 3, [[0.0, 0.0, 1.0]] * 2),
        (p, [[1 / 3] * 3] * 2),
        (p, None),
    ]


def _one_round(
    rule: VerificationRule, p_rows: list[list[float]], q_rows: list[list[float]] | None
) -> Callable[[EnumeratedChance], tuple[int, ...]]:
    """The procedure: draw two tokens from q (where p does not look at the text), and judge them."""
    p = _dense(p_rows)

    def procedure(chance: Chance) -> tuple[int, ...]:
        rng = chance.round(0)
        q = PointMasses([1, 0]) if q_rows is None else _dense(q_rows)
        tokens = [rng.draw(q[i], "draft", i) for i in range(2)]
        verdict = rule.verify(Draft(tokens, None if q_rows is None else q), p, rng)
        assert list(verdict.accepted) == list(range(len(verdict.accepted))), (
            "a chain is accepted from its start, without gaps"
        )
        return (*(tokens[i] for i in verdict.accepted), verdict.next_token)

    return procedure


def _pad(law: dict[tuple[int, ...], float], p_rows: list[list[float]]) -> dict[tuple[int, ...], float]:
    """Continue every output of one round to three tokens by p, so that laws over equal lengths are compared."""
    padded: dict[tuple[int, ...], float] = {}
    for text, mass in law.items():
        for rest in product(range(_VOCAB), repeat=3 - len(text)):
            share = mass
            for i, token in enumerate(rest, len(text)):
                share *= p_rows[i][token]
            padded[(*text, *rest)] = padded.get((*text, *rest), 0.0) + share
    return padded


def _chain_rule(p_rows: list[list[float]]) -> dict[tuple[int, ...], float]:
    return {(a, b, c): p_rows[0][a] * p_rows[1][b] * p_rows[2][c] for a, b, c in product(range(_VOCAB), repeat=3)}


def _dense(rows: list[list[float]]) -> Distributions:
    return Dense(torch.tensor(rows, dtype=torch.float64).unbind())


def _same(left: torch.Tensor, right: torch.Tensor, tolerance: float, what: str) -> None:
    gap = float((left.double() - right.double()).abs().max())
    assert gap <= tolerance, f"{what}: logits are {gap:.3g} apart"
