"""Drafters as they are written on the command line: `name[:argument][,option=value...]`.

`lookup+REFERENCE` puts prompt lookup before another drafter. Options that begin with `lookup_` are its own, the others
the other drafter's.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from draftlab.drafters import DRAFTERS
from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.types import Drafter, DrafterContext

_HYBRID = "lookup"
_HYBRID_HINT = "Write lookup+model:NAME, or lookup+ and any other drafter."


@dataclass(frozen=True, slots=True)
class DrafterReference:
    """A drafter's name with its options, still as text."""

    name: str
    argument: str | None
    """Of `lookup` the reference of the drafter behind it."""
    options: dict[str, str]


def parse_drafter(text: str) -> DrafterReference:
    """Read a reference; the name has to be registered."""
    head, *pairs = text.split(",")
    options = _read_options(text, pairs)
    outer, plus, inner = head.partition("+")
    if plus and outer == _HYBRID:
        return _parse_hybrid(text, inner, options)
    name, colon, argument = head.partition(":")
    if name not in DRAFTERS.entries():
        raise UnknownNameError("drafter", name, DRAFTERS.names())
    if colon and name == _HYBRID:
        raise DraftlabError(f"drafter '{text}' has a colon for a plus sign", _HYBRID_HINT)
    return DrafterReference(name, argument if colon else None, options)


def _read_options(text: str, pairs: Sequence[str]) -> dict[str, str]:
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise DraftlabError(f"drafter '{text}' has the option '{pair}'", "Options are written name=value.")
        options[key.strip()] = value.strip()
    return options


def _parse_hybrid(text: str, head: str, options: Mapping[str, str]) -> DrafterReference:
    own = {key: value for key, value in options.items() if key.startswith(f"{_HYBRID}_")}
    other = ",".join([head, *(f"{key}={value}" for key, value in options.items() if key not in own)])
    if not head or parse_drafter(other).name in (_HYBRID, "none"):
        raise DraftlabError(f"drafter '{text}' names nobody who drafts where lookup finds nothing", _HYBRID_HINT)
    return DrafterReference(_HYBRID, other, own)


def build_drafter(reference: DrafterReference, context: DrafterContext) -> Drafter:
    """Convert the options by the annotations of the drafter's `build`, and build it."""
    build = DRAFTERS.load(reference.name).build
    drafter: Drafter = build(context, **_convert(reference, build))
    return drafter


def require_options(text: str) -> None:
    """Refuse a reference whose options its drafter does not have, without building it."""
    reference = parse_drafter(text)
    _convert(reference, DRAFTERS.load(reference.name).build)
    if reference.name == _HYBRID and reference.argument:
        require_options(reference.argument)


def _convert(reference: DrafterReference, build: Callable[..., Drafter]) -> dict[str, Any]:
    parameters = inspect.signature(build).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    hints = get_type_hints(build)
    given = dict(reference.options)
    if reference.argument is not None:
        if "argument" not in known:
            raise DraftlabError(
                f"drafter '{reference.name}' takes no argument, got '{reference.argument}'", "Leave out the colon."
            )
        given["argument"] = reference.argument
    values = {}
    for key, value in given.items():
        if key not in known:
            raise UnknownNameError(f"option of drafter '{reference.name}'", key, [k for k in known if k != "argument"])
        try:
            values[key] = TypeAdapter(hints[key]).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise DraftlabError(f"drafter '{reference.name}': {key} cannot be '{value}'", reason) from error
    return values
