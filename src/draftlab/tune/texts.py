"""What the target writes by itself: the one thing that is decoded, from which every answer is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from draftlab.chance import derive_seed, make_chance
from draftlab.decoding import Decoder, room_after
from draftlab.events import Committed
from draftlab.stopping import Stopping


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt with the target's own continuation."""

    prompt_id: str
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    """The new tokens; a stop token is the last of them."""
    beyond: tuple[int, ...]
    """What the target would have gone on to write behind a stop. A block may reach there before it is cut, and the rule
    judges all of it: without these tokens the number accepted by the last round could not be told."""
    room: int
    """The most new tokens that the text could have had."""
    seed: int

    @property
    def new(self) -> tuple[int, ...]:
        """All new tokens, those behind the stop too."""
        return self.tokens + self.beyond


def write_text(plain: Decoder, prompt_id: str, prompt: Sequence[int], asked: int, seed: int, most_beyond: int) -> Text:
    """Decode plainly, and where a stop ends the text before it has `asked` tokens, so many more behind it."""
    return take_text(plain, prompt_id, prompt, asked, seed, most_beyond, _decode(plain, prompt, asked, seed))


def take_text(
    plain: Decoder,
    prompt_id: str,
    prompt: Sequence[int],
    asked: int,
    seed: int,
    most_beyond: int,
    tokens: Sequence[int],
) -> Text:
    """A text that was decoded before; only what lies behind its stop is written now."""
    room, _ = room_after(plain.target, prompt, asked)
    beyond: list[int] = []
    if extra := min(most_beyond, room - len(tokens)):
        # Another chance than that of the rounds before, unless noise belongs to places.
        later = seed if plain.rule.coupled else derive_seed(seed, "beyond")
        beyond = _decode(replace(plain, stopping=Stopping()), [*prompt, *tokens], extra, later)
    return Text(prompt_id, tuple(prompt), tuple(tokens), tuple(beyond), room, seed)


def _decode(decoder: Decoder, prompt: Sequence[int], max_new_tokens: int, seed: int) -> list[int]:
    chance = make_chance(seed, decoder.rule.coupled)
    events = decoder.decode(prompt, max_new_tokens=max_new_tokens, chance=chance)
    return [token for event in events if isinstance(event, Committed) for token in event.outcome.emitted]
