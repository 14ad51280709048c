"""Do two models mean the same by a token id? `config.vocab_size` does not tell: families pad it differently.

(Qwen2.5-7B has 152064 rows and 0.5B 151936, pythia-12b 50688 and 70m 50304, each pair with one tokenizer.)
"""

from __future__ import annotations

from draftlab.errors import DraftlabError
from draftlab.types import LoadedModel


def require_agreement(target: LoadedModel, drafter: LoadedModel) -> None:
    """Raise unless both tokenizers give every ordinary id that they share the same token.

    Special tokens may differ (chat markers are renamed between siblings): drafting one that the target does not know
    costs a rejection, never a wrong text.
    """
    mine, theirs = target.tokenizer.vocabulary(), drafter.tokenizer.vocabulary()
    special = target.tokenizer.special_ids() | drafter.tokenizer.special_ids()
    shared = (mine.keys() & theirs.keys()) - special
    differing = sorted(i for i in shared if mine[i] != theirs[i])
    if shared and not differing:
        return
    example = f"; id {differing[0]} is {mine[differing[0]]!r} and {theirs[differing[0]]!r}" if differing else ""
    raise DraftlabError(
        f"target '{target.model.name}' and drafter '{drafter.model.name}' have different tokenizers: "
        f"{len(differing)} of {len(shared)} shared ids differ{example}",
        "Choose a drafter of the target's own family, or drafter ngram, which works with any target.",
    )
