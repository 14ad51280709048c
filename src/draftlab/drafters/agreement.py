"""Do two models mean the same by a token id? `config.vocab_size` does not tell: families pad it differently.

(Qwen2.5-7B has 152064 rows and 0.5B 151936, pythia-12b 50688 and 70m 50304, each pair with one tokenizer.)
"""

from __future__ import annotations

from draftlab.errors import DraftlabError
from draftlab.types import LoadedModel, Tokenizer


def compare_ids(mine: Tokenizer, theirs: Tokenizer) -> tuple[int, list[int]]:
    """How many ordinary ids two tokenizers share, and which of them stand for different tokens.

    Special tokens may differ (chat markers are renamed between siblings): drafting one that the target does not know
    costs a rejection, never a wrong text.
    """
    one, other = mine.vocabulary(), theirs.vocabulary()
    shared = (one.keys() & other.keys()) - mine.special_ids() - theirs.special_ids()
    return len(shared), sorted(i for i in shared if one[i] != other[i])


def require_agreement(target: LoadedModel, drafter: LoadedModel) -> None:
    """Raise unless both tokenizers give every ordinary id that they share the same token."""
    num_shared, differing = compare_ids(target.tokenizer, drafter.tokenizer)
    if num_shared and not differing:
        return
    example = ""
    if differing:
        first = differing[0]
        spelt = [tokenizer.vocabulary()[first] for tokenizer in (target.tokenizer, drafter.tokenizer)]
        example = f"; id {first} is {spelt[0]!r} and {spelt[1]!r}"
    raise DraftlabError(
        f"target '{target.model.name}' and drafter '{drafter.model.name}' have different tokenizers: "
        f"{len(differing)} of {num_shared} shared ids differ{example}",
        "Choose a drafter of the target's own family, or drafter ngram, which works with any target.",
    )
