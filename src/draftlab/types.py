"""The notation of speculative decoding and the contracts between its parts.

`p` is the target's (warped) distribution and `q` the drafter's, as in Leviathan et al. 2023 (arXiv 2211.17192); Chen et
al. 2023 swap them. `gamma` is the most tokens drafted in one round. This module imports neither torch nor numpy at
run time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Module

StopReason = Literal["length", "stop_token", "stop_string", "context"]
Purpose = Literal["draft", "accept", "target"]


class Row(Protocol):
    """One probability distribution over the vocabulary."""

    def probability(self, token: int) -> float:
        """The probability of `token`; 0 for tokens beyond this row's width."""
        ...

    def quantile(self, u: float) -> int:
        """The token at `u` in [0, 1) of the cumulative distribution; never one of probability 0."""
        ...

    def support(self) -> list[tuple[int, float]]:
        """Every token of positive probability, with that probability."""
        ...

    def minus(self, other: Row, scale: float = 1.0) -> Row:
        """The residual norm(max(0, scale * self - other)) (Leviathan, Algorithm 1); `self` where nothing is left."""
        ...

    def excess(self, other: Row, scale: float = 1.0) -> float:
        """The mass of max(0, scale * self - other), before it is normalised."""
        ...

    def entropy(self) -> float:
        """In nats."""
        ...

    def race(self, times: Callable[[int], NDArray[np.float64]]) -> int:
        """The token whose time over its probability is least; times(n) are n standard exponential times.

        That token is distributed by this row (the Gumbel-max trick, Maddison et al. 2014), and rows that are alike
        mostly agree on it when they race against the same times.
        """
        ...


class Distributions(Protocol):
    """One `Row` per position."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Row: ...

    def probabilities(self, tokens: Sequence[int]) -> list[float]:
        """The probability of `tokens[i]` under row i, for every i (`tokens` may be shorter than the rows)."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """What a drafter proposes in one round."""

    tokens: Sequence[int]
    q: Distributions | None = None
    """Row i is what tokens[i] was really DRAWN from, after warping. None: the drafter is deterministic."""
    logits: Sequence[Tensor] | None = None
    """The drafter's raw logits [vocab] of each token, where it has any: for who watches; no rule reads them."""
    parents: Sequence[int] | None = None
    """parents[i] is the index of the token before tokens[i], -1 at the root. None: a chain."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule decides about a draft."""

    accepted: Sequence[int]
    """Indices into the draft, from the root to a leaf."""
    next_token: int
    """The target's own token: a correction after a rejection, a bonus after a full acceptance."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round as it ended. `num_accepted` is what the rule said; `emitted` what was kept after the cut at a stop."""

    num_drafted: int
    num_accepted: int
    emitted: tuple[int, ...]


class Rng(Protocol):
    """The chance of one round. Draws are keyed by purpose and position, so that none serves twice."""

    def draw(self, row: Row, purpose: Purpose, position: int) -> int:
        """Draw a token from `row`."""
        ...

    def accept(self, probability: float, position: int) -> bool:
        """Toss the acceptance coin of the draft's token at `position`."""
        ...


class Chance(Protocol):
    """The chance of a whole decode."""

    def round(self, index: int, length: int = 0) -> Rng:
        """The chance of round `index`, counted from 0, which starts when the text has `length` tokens."""
        ...


@runtime_checkable
class LanguageModel(Protocol):
    """A model that we drive: it scores tokens after what it has cached, and can take tokens back."""

    @property
    def name(self) -> str: ...

    @property
    def vocab_size(self) -> int:
        """The width of a logits row, padding included."""
        ...

    @property
    def context_length(self) -> int | None:
        """The most tokens that a text may have; None where there is no limit."""
        ...

    @property
    def length(self) -> int:
        """How many tokens are cached."""
        ...

    def reset(self, capacity: int | None = None) -> None:
        """Forget every token. `capacity` is the most tokens that the next text will have, where that is known."""
        ...

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        """Append `tokens`; return the logits [num_rows, vocab] of the last `num_rows` of them (of all where None)."""
        ...

    def rollback(self, length: int) -> None:
        """Keep the first `length` tokens. Not below the length of the last rollback or reset (sliding windows)."""
        ...


class Tokenizer(Protocol):
    """Text to token ids and back."""

    @property
    def name(self) -> str: ...

    def encode(self, text: str) -> list[int]: ...

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]: ...

    def decode(self, tokens: Sequence[int], *, raw: bool = False) -> str:
        """Ids to text; special tokens are left out unless `raw`."""
        ...

    def vocabulary(self) -> dict[int, str]:
        """Every id that stands for a token, with the token as the tokenizer spells it."""
        ...

    def special_ids(self) -> set[int]: ...

    def bytes_of(self, token: int) -> bytes:
        """What a token adds to a text; a character may be spread over several tokens."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to run, with what came with its checkpoint."""

    model: LanguageModel
    tokenizer: Tokenizer
    defaults: Mapping[str, Any]
    """The checkpoint's generation config, only what is set."""
    description: Mapping[str, Any]
    """What the manifest says of it: source, revision, dtype, device."""
    fingerprint: Callable[[], Mapping[str, str]] = field(default=dict)
    """Hashes of the files that it was read from; takes as long as reading them."""
    synchronize: Callable[[], None] = field(default=lambda: None)
    """Waits until the device has finished; nothing on a CPU."""
    close: Callable[[], None] = field(default=lambda: None)
    """Ends the processes that were started for it, after which it passes no more; nothing where there are none."""


@dataclass(frozen=True, slots=True)
class StoredTensors:
    """A checkpoint's files, read and not understood."""

    reference: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    description: Mapping[str, Any]
    """What the manifest says of it."""
    fingerprint: Callable[[], Mapping[str, str]] = field(default=dict)


Warp = Callable[["Tensor", Sequence[int], Sequence[int]], Distributions]
"""(logits [n, vocab], text before row 0, tokens after it) -> the n distributions that are really sampled from."""


Compression = Literal["none", "int8", "int4", "auto"]
"""How a drafter's weights are kept on a CPU; `auto` takes what a short measurement finds faster."""


class LoadModel(Protocol):
    """Loads a model beside the target, once for all drafters that ask for the same."""

    def __call__(self, reference: str, compress: Compression = "none", head: int = 0) -> LoadedModel: ...


Arrange = Callable[["Module", Callable[[int], "Tensor"], Compression, str], str]
"""(network, a pass of n rows over it, form asked for, name) -> the form that its linear layers now have."""


@dataclass(frozen=True, slots=True)
class DrafterContext:
    """What a drafter may ask for while it is built."""

    target: LoadedModel
    load_model: LoadModel
    """Loads a second model from a hub id, folder, GGUF file or catalogue name; with `head`, only so many of its tokens
    can be drafted, and the rest of its output head is not computed."""
    warp_for: Callable[[str], Warp]
    """The run's resolved sampling, for the logits of the named model."""
    load_tensors: Callable[[str], StoredTensors]
    """Reads the tensors of a hub id or folder, for a drafter with a network of its own."""
    arrange: Arrange = lambda *_: "plain"
    """Gives such a network the fastest form of its linear layers, once it is on its device."""


class Drafter(Protocol):
    """Proposes tokens. Built by a classmethod `build(context, *, option=default, ...)`, which does the loading."""

    def begin(self, prompt: Sequence[int]) -> None:
        """A new text starts; all state of the last one is void."""
        ...

    def propose(self, tokens: Sequence[int], limit: int, rng: Rng) -> Draft:
        """Draft at most `limit` tokens (>= 0) to follow `tokens`; an empty draft is an ordinary step."""
        ...

    def observe(self, outcome: Round) -> None:
        """How the round of the last draft ended."""
        ...


class DraftLength(Protocol):
    """Decides how many tokens a round may draft, before its verdict is known; so no choice can change the law."""

    @property
    def most(self) -> int:
        """The most that it ever allows."""
        ...

    def begin(self) -> None:
        """A new text starts."""
        ...

    def limit(self) -> int:
        """The most tokens that the next round may draft."""
        ...

    def observe(self, outcome: Round) -> None:
        """How a round ended."""
        ...


class VerificationRule(Protocol):
    """Decides which drafted tokens stay."""

    lossless: bool
    """Whether the text has the target's law, whatever the drafter."""
    coupled: bool
    """Whether drafter and target draw with the same noise (`draftlab.chance.CoupledChance`)."""

    def verify(self, draft: Draft, p: Distributions, rng: Rng) -> Verdict:
        """Judge `draft` by `p`, which has len(draft.tokens) + 1 rows."""
        ...
