"""What the files of a pair say: whether an engine needs a padded copy of the drafter, and what it makes of the pair."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from draftlab.doctor.elsewhere import Pair, look_up
from draftlab.doctor.facts import Facts, read_facts
from draftlab.doctor.findings import Elsewhere
from draftlab.doctor.versions import WIDEST_GAP
from draftlab.errors import DraftlabError
from draftlab.export.command_line import file_name
from draftlab.export.plan import base_name
from draftlab.models import LoadOptions, resolve

_ADVICE = ". A padded drafter works"
"""What `draftlab doctor` says of unequal widths, whether or not the drafter can be padded."""


@dataclass(frozen=True)
class Looked:
    """What was found in the files."""

    copy: str | None = None
    """The folder of the padded copy that the engine needs; its name says how wide it is."""
    before: tuple[str, ...] = ()
    """The command that writes it."""
    unequal: bool = False
    """The engine needs equal widths, and a copy would lose tokens."""
    notes: tuple[str, ...] = ()


def look(target: str, drafter: str | None, engine: str, options: LoadOptions) -> Looked:
    """Read configurations and tokenizers, no weights. What cannot be read is a note, not an error."""
    names = [target] if drafter is None else [target, drafter]
    if any(name.partition(":")[0] == "toy" for name in names):
        return Looked(notes=("toy models are draftlab's own: put the names of real ones in their place",))
    try:
        facts = [read_facts(resolve(name), options) for name in names]
    except DraftlabError as error:
        return Looked(notes=(f"the files of the models were not looked at: {error}",))
    return _of(facts[0], facts[1] if len(facts) > 1 else None, engine, options)


def _of(target: Facts, drafter: Facts | None, engine: str, options: LoadOptions) -> Looked:
    found = Looked()
    pair = Pair(target, drafter)
    if drafter is not None and pair.gap > WIDEST_GAP.get(engine, 0) and not pair.ids_differ:
        if drafter.num_tokens > target.width:
            found = Looked(unequal=True, notes=(_no_copy(target, drafter),))
        else:
            copy = f"./{base_name(drafter.reference)}-{target.width}"
            words = ("draftlab", "pad-drafter", file_name(target.reference), file_name(drafter.reference), copy)
            command = shlex.join((*words, *loading_flags(options)))
            found = Looked(copy, (command,), notes=(_padded(target, drafter),))
            drafter = replace(drafter, width=target.width)
    lines = [line for line in look_up(target, drafter) if line.engine == engine]
    said = {"works": "", "limited": "limited: ", "refuses": "REFUSED: ", "not known": ""}
    notes = (
        f"{line.engine} {line.version}: {said[line.outcome]}{_what(line, found)} ({line.source})" for line in lines
    )
    return replace(found, notes=(*found.notes, *notes))


def _padded(target: Facts, drafter: Facts) -> str:
    return (
        f"the drafter has {drafter.width} rows and the target {target.width}: the command before writes a padded "
        "copy, which drafts the same"
    )


def _no_copy(target: Facts, drafter: Facts) -> str:
    return (
        f"the drafter has {drafter.num_tokens} tokens and the target {target.width} rows: no padded copy can mend that"
    )


def _what(line: Elsewhere, found: Looked) -> str:
    return line.what.replace(_ADVICE, "") if found.unequal else line.what


def loading_flags(options: LoadOptions) -> tuple[str, ...]:
    """What the run allowed when it loaded the drafter, the copy needs as well."""
    allowed = {"--trust-remote-code": options.trust_remote_code, "--allow-pickle": options.allow_pickle}
    return tuple(flag for flag, given in allowed.items() if given)
