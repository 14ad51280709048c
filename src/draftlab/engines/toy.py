"""A language model made of random numbers: exact, instant, in double precision. For tests, docs and a first look."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import torch
from numpy.random import Generator, Philox
from torch import Tensor

from draftlab.chance import derive_seed
from draftlab.engines.hidden_states import FeatureBuffer
from draftlab.engines.restricted_head import choose_tokens
from draftlab.errors import ContractError, DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, ModelSource
from draftlab.types import LoadedModel

_NUM_LAYERS, _HIDDEN_SIZE = 8, 8
_EMBEDDING, _HEAD, _STATES = 2, 3, 4  # tables of random numbers; 0 and 1 are those of the logits
_ALPHABET = ["<end>", *string.printable[:95], "\n"]  # id 0 ends a text


class ToyModel:
    """Logits and hidden states depend on the last two tokens only.

    All toys share one table; `variation` adds that much of a second one, so toys of different variation are like a
    target and its drafter. `vocab_size` may be padded: the logits that two widths share are equal. Hidden states are
    noise of their own, so that drafters that read them can be tried. With `cut` only so many tokens have logits.
    """

    def __init__(
        self,
        vocab_size: int,
        variation: float = 0.0,
        scale: float = 2.0,
        context_length: int | None = None,
        cut: int = 0,
    ) -> None:
        self.name = f"toy:{variation:g}" if variation else "toy"
        self.vocab_size = vocab_size
        self.variation = variation
        self.scale = scale
        self.context_length = context_length
        self.cut = cut or vocab_size
        self.num_forwarded = 0  # tokens ever passed: wrong rollback costs passes and not law
        self._tokens: list[int] = []
        self._rows: dict[tuple[int, ...], Tensor] = {}
        self.num_layers, self.hidden_size = _NUM_LAYERS, _HIDDEN_SIZE
        self._states: dict[tuple[int, ...], Tensor] = {}
        self._taps: list[FeatureBuffer] = []

    @property
    def length(self) -> int:
        return len(self._tokens)

    def reset(self, capacity: int | None = None) -> None:
        self._tokens.clear()
        self._taps.clear()

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        self.num_forwarded += len(tokens)
        rows = []
        for token in tokens:
            self._tokens.append(token)
            rows.append(self._row(tuple(self._tokens[-2:])))
            for tap in self._taps:
                tap.add([self._state(layer, tuple(self._tokens[-2:])) for layer in tap.layers])
        if self.context_length is not None and self.length > self.context_length:
            raise ContractError(f"{self.length} tokens do not fit into a context of {self.context_length}")
        return torch.stack(rows[-num_rows:] if num_rows else rows)

    def rollback(self, length: int) -> None:
        if length > self.length:
            raise ContractError(f"cannot roll back to {length} tokens: {self.length} are cached")
        del self._tokens[length:]
        for tap in self._taps:
            tap.shorten(length)

    def embedding(self) -> Tensor:
        return torch.stack([_noise(self.hidden_size, _EMBEDDING, token) for token in range(self.vocab_size)])

    def head(self) -> Tensor:
        return torch.stack([_noise(self.hidden_size, _HEAD, token) for token in range(self.vocab_size)])

    def features(self, layers: Sequence[int]) -> FeatureBuffer:
        self._taps.append(FeatureBuffer(layers, self.num_layers, self.hidden_size))
        return self._taps[-1]

    def _state(self, layer: int, tail: tuple[int, ...]) -> Tensor:
        if (layer, *tail) not in self._states:
            self._states[layer, *tail] = _noise(self.hidden_size, _STATES + layer, *tail)[None]
        return self._states[layer, *tail]

    def _row(self, tail: tuple[int, ...]) -> Tensor:
        if tail not in self._rows:
            base, other = (_noise(self.vocab_size, table, *tail) for table in (0, 1))
            self._rows[tail] = self.scale * (base + self.variation * other)
            self._rows[tail][self.cut :] = -torch.inf
        return self._rows[tail]


def _noise(size: int, table: int, *keys: int) -> Tensor:
    """`size` standard normal numbers of an entry of a table; the first are the same whatever `size`."""
    return torch.from_numpy(Generator(Philox(key=[derive_seed(table, *keys), 0])).standard_normal(size))


class ToyTokenizer:
    """A letter is a token; what is not ASCII becomes a question mark."""

    name = "toy letters"

    def encode(self, text: str) -> list[int]:
        index = {letter: i for i, letter in enumerate(_ALPHABET)}
        return [index.get(letter, index["?"]) for letter in text]

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        return self.encode("".join(f"{m['role']}: {m['content']}\n" for m in messages))

    def decode(self, tokens: Sequence[int], *, raw: bool = False) -> str:
        return "".join(_ALPHABET[t] for t in tokens if t or raw)

    def vocabulary(self) -> dict[int, str]:
        return dict(enumerate(_ALPHABET))

    def bytes_of(self, token: int) -> bytes:
        return self.decode([token], raw=True).encode()

    def special_ids(self) -> set[int]:
        return {0}


def load(source: ModelSource, options: LoadOptions) -> LoadedModel:
    """The toy called `toy` or `toy:VARIATION`."""
    if options.compress in ("int8", "int4"):
        raise UnsupportedError(
            f"a toy has no weights that could be compressed to {options.compress}", "Write compress=none."
        )
    if options.tensor_parallel > 1:
        raise UnsupportedError("a toy has no layers that could be split", "Leave out --tensor-parallel.")
    if options.head:
        choose_tokens(options.head, len(_ALPHABET), {0}, source.reference)  # refuses what makes no sense
    _, _, variation = source.location.partition(":")
    try:
        model = ToyModel(len(_ALPHABET), float(variation or 0.0), 4.0, 4096, cut=options.head)
    except ValueError as error:
        raise DraftlabError(f"toy '{variation}' is no number", "Write toy:0.5, for example.") from error
    return LoadedModel(
        model=model,
        tokenizer=ToyTokenizer(),
        defaults={"eos_token_id": [0]},
        description={"source": source.reference, "engine": "toy", "dtype": "float64", "device": "cpu"},
    )
