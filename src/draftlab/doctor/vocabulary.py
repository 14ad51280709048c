"""Do two models mean the same by a token id, and where does a text end?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from draftlab.doctor.facts import Facts
from draftlab.doctor.findings import Check, Status
from draftlab.drafters.agreement import compare_ids

_SHOWN = 3


def check_vocabularies(target: Facts, drafter: Facts | None) -> Iterator[Check]:
    """All checks of tokenizers; without a drafter model those of the target alone."""
    if drafter is not None:
        yield _tokenizers(target, drafter)
        yield _special_tokens(target, drafter)
    yield _stop_tokens(target, drafter)
    if drafter is not None:
        yield _chat_templates(target, drafter)
    yield _widths(target, drafter)


def _tokenizers(target: Facts, drafter: Facts) -> Check:
    num_shared, differing = compare_ids(target.tokenizer, drafter.tokenizer)
    if not num_shared or differing:
        return Check(
            name="tokenizers",
            status="problem",
            found=f"{len(differing)} of {num_shared} shared ids stand for different tokens"
            + _examples(target, drafter, differing),
            remedy="Choose a drafter of the target's own family, or drafter ngram, which works with any target.",
        )
    mine, theirs = len(target.tokenizer.vocabulary()), len(drafter.tokenizer.vocabulary())
    sizes = f"{mine}" if mine == theirs else f"{mine} and {theirs}"
    return Check(name="tokenizers", status="ok", found=f"all {num_shared} shared ids agree (tokens: {sizes})")


def _special_tokens(target: Facts, drafter: Facts) -> Check:
    mine, theirs = target.tokenizer.vocabulary(), drafter.tokenizer.vocabulary()
    special = target.tokenizer.special_ids() | drafter.tokenizer.special_ids()
    differing = sorted(i for i in special if mine.get(i) != theirs.get(i))
    if not differing:
        return Check(name="special tokens", status="ok", found=f"{len(special)}, the same in both")
    return Check(
        name="special tokens",
        status="note",
        found=f"{len(differing)} of {len(special)} differ" + _examples(target, drafter, differing),
        remedy="Nothing here: a drafted one that the target does not know is rejected. SGLang and llama.cpp refuse it.",
    )


def _stop_tokens(target: Facts, drafter: Facts | None) -> Check:
    mine = target.stop_tokens
    end = target.end_of_text
    shown = _named(target, mine)
    status: Status = "note"
    if not mine:
        found, remedy = "the target names none: texts end at the length limit alone", "Pass --stop TEXT."
    elif target.chat_template and end is not None and end not in mine:
        found = f"the target stops at {shown}, but its tokenizer ends a text with {_named(target, {end})}"
        remedy = "Pass --stop with that text where chats run on."
    elif drafter is not None and drafter.stop_tokens != mine:
        theirs = _named(drafter, drafter.stop_tokens) or "none"
        found = f"the target stops at {shown}, the drafter's own are {theirs}"
        remedy = (
            "Nothing here: the target's decide. transformers stops drafting at the drafter's; set "
            "drafter.generation_config.eos_token_id there."
        )
    else:
        status, found, remedy = "ok", f"{shown}", None
    return Check(name="stop tokens", status=status, found=found, remedy=remedy)


def _chat_templates(target: Facts, drafter: Facts) -> Check:
    mine, theirs = target.chat_template, drafter.chat_template
    if mine == theirs:
        return Check(name="chat template", status="ok", found="the same" if mine else "none: prompts are plain texts")
    found = "they differ" if mine and theirs else f"only the {'target' if mine else 'drafter'} has one"
    return Check(
        name="chat template",
        status="note",
        found=f"{found}; prompts are written with the target's" + ("" if mine else ", which is none"),
        remedy="A drafter that was trained on the same chats is accepted more often.",
    )


def _widths(target: Facts, drafter: Facts | None) -> Check:
    for model in (target, drafter):
        if model is not None and model.num_tokens > model.width:
            return Check(
                name="widths",
                status="note",
                found=f"'{model.reference}' has {model.width} rows, its tokenizer ids up to {model.num_tokens - 1}",
                remedy="A text with one of the ids that have no row cannot be scored. Use the tokenizer it came with.",
            )
    if drafter is None:
        return Check(name="widths", status="ok", found=f"{target.width} rows for {target.num_tokens} token ids")
    if target.width == drafter.width:
        ids = max(target.num_tokens, drafter.num_tokens)
        return Check(name="widths", status="ok", found=f"both {target.width} rows for {ids} token ids")
    remedy = "Nothing here: the shared ids are used."
    if not compare_ids(target.tokenizer, drafter.tokenizer)[1] and drafter.num_tokens <= target.width:
        remedy += " For other engines write a copy of the drafter in the target's width: --write-padded FOLDER."
    return Check(
        name="widths",
        status="note",
        found=f"target {target.width} rows for {target.num_tokens} token ids, drafter {drafter.width} for "
        f"{drafter.num_tokens}: padded differently",
        remedy=remedy,
    )


def _examples(target: Facts, drafter: Facts, ids: Iterable[int]) -> str:
    mine, theirs = target.tokenizer.vocabulary(), drafter.tokenizer.vocabulary()
    first = list(ids)[:_SHOWN]
    pairs = [f"id {i} is {_spelt(mine.get(i))} and {_spelt(theirs.get(i))}" for i in first]
    return (": " + ", ".join(pairs)) if pairs else ""


def _spelt(token: str | None) -> str:
    return "nothing" if token is None else repr(token)


def _named(model: Facts, ids: Iterable[int]) -> str:
    vocabulary = model.tokenizer.vocabulary()
    return ", ".join(f"{i} ({vocabulary.get(i, 'no token')})" for i in sorted(ids))
