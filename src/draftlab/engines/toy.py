"""A language model made of random numbers: exact, instant, in double precision. For tests, docs and a first look."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import torch
from numpy.random import Generator, Philox
from torch import Tensor

from draftlab.chance import derive_seed
from draftlab.errors import ContractError, DraftlabError, UnsupportedError
from draftlab.models import LoadOptions, ModelSource
from draftlab.types import LoadedModel

_ALPHABET = ["<end>", *string.printable[:95], "\n"]  # id 0 ends a text


class ToyModel:
    """Logits depend on the last two tokens only.

    All toys share one table; `variation` adds that much of a second one, so toys of different variation are like a
    target and its drafter. `vocab_size` may be padded: the logits that two widths share are equal.
    """

    def __init__(
        self, vocab_size: int, variation: float = 0.0, scale: float = 2.0, context_length: int | None = None
    ) -> None:
        self.name = f"toy:{variation:g}" if variation else "toy"
        self.vocab_size = vocab_size
        self.variation = variation
        self.scale = scale
        self.context_length = context_length
        self.num_forwarded = 0  # tokens ever passed: wrong rollback costs passes and not law
        self._tokens: list[int] = []
        self._rows: dict[tuple[int, ...], Tensor] = {}

    @property
    def length(self) -> int:
        return len(self._tokens)

    def reset(self, capacity: int | None = None) -> None:
        self._tokens.clear()

    def forward(self, tokens: Sequence[int], num_rows: int | None = None) -> Tensor:
        self.num_forwarded += len(tokens)
        rows = []
        for token in tokens:
            self._tokens.append(token)
            rows.append(self._row(tuple(self._tokens[-2:])))
        if self.context_length is not None and self.length > self.context_length:
            raise ContractError(f"{self.length} tokens do not fit into a context of {self.context_length}")
        return torch.stack(rows[-num_rows:] if num_rows else rows)

    def rollback(self, length: int) -> None:
        if length > self.length:
            raise ContractError(f"cannot roll back to {length} tokens: {self.length} are cached")
        del self._tokens[length:]

    def _row(self, tail: tuple[int, ...]) -> Tensor:
        if tail not in self._rows:
            base, other = (
                Generator(Philox(key=[derive_seed(table, *tail), 0])).standard_normal(self.vocab_size)
                for table in (0, 1)
            )
            self._rows[tail] = torch.from_numpy(self.scale * (base + self.variation * other))
        return self._rows[tail]


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
    if options.compress == "int8":
        raise UnsupportedError("a toy has no weights that could be compressed to int8", "Write compress=none.")
    _, _, variation = source.location.partition(":")
    try:
        model = ToyModel(len(_ALPHABET), float(variation or 0.0), scale=4.0, context_length=4096)
    except ValueError as error:
        raise DraftlabError(f"toy '{variation}' is no number", "Write toy:0.5, for example.") from error
    return LoadedModel(
        model=model,
        tokenizer=ToyTokenizer(),
        defaults={"eos_token_id": [0]},
        description={"source": source.reference, "engine": "toy", "dtype": "float64", "device": "cpu"},
    )
