"""How documents spell a kind's fields, and how a field's value is read from theirs.

Names are those of the API: camel case; a reference is named without its `Id`, since it is given by name. Keys of mappings,
such as a configuration's, are data and stay as they are.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from graph.entity import HIDDEN, KINDS, MANAGED, Field, Kind, without_none
from graph.refusal import InvalidInput
from graph.spelling import camel, camel_path
from graph.value_words import plain_words

MAX_REFERENCE = 1_024
"""Characters of a name, a path of names or a key that are looked up and told of."""
MAX_TOLD = 200
"""Characters that a refusal repeats of what the library says: it quotes values, which may be of any length."""


def like(word: str, known: Iterable[str], *, has: str) -> str:
    """What to write instead of an unknown word: the one that was probably meant, and all that there are."""
    every = sorted(known)
    lower = {one.lower(): one for one in every}
    close = difflib.get_close_matches(word[:64].lower(), lower, n=1, cutoff=0.7)
    meant = f"did you mean {lower[close[0]]!r}? " if close else ""
    return f"{meant}{has} {', '.join(every)}"


def spelled(kind: Kind) -> Mapping[str, Field]:
    """A kind's fields as a document's spec spells them: camel case, a reference by name without its `Id`."""
    return _spelled(kind.name)


@cache
def _spelled(kind_name: str) -> Mapping[str, Field]:
    names: dict[str, Field] = {}
    for field in KINDS[kind_name].fields.values():
        if field.name in ("id", "labels", "display_name", "external", "name", "tenant_id"):
            continue
        if MANAGED in field.marks or HIDDEN in field.marks:
            continue
        names[document_name(field)] = field
        if field.ref is not None:
            names[camel(field.name)] = field
    return names


def document_name(field: Field) -> str:
    """A field as documents spell it."""
    if field.ref is not None and field.name.endswith("_ids"):
        return camel(field.name.removesuffix("_ids")) + "s"
    return camel(field.name.removesuffix("_id") if field.ref is not None else field.name)


def plain_value(declared: Any, value: Any, meta: Sequence[msgspec.Meta], path: str) -> Any:
    """A field's value from a document's. Raises InvalidInput."""
    snake = _snake_keys(declared, value, path)
    annotated = typing.Annotated[(declared, *meta)] if meta else declared
    try:
        return msgspec.convert(snake, annotated)
    except msgspec.ValidationError as problem:
        text, _, inner = str(problem).partition(" - at `$")
        where = path + camel_path(inner.rstrip("`"))
        raise InvalidInput(
            plain_words(text, path=where)[:MAX_TOLD], remedy="give a value of the stated type and range", path=where
        ) from None


def _snake_keys(declared: Any, value: Any, path: str) -> Any:
    """Keys of what becomes a struct in snake case; keys of mappings are data and stay."""
    if not isinstance(value, (list, dict)):
        return value
    while typing.get_origin(declared) is typing.Annotated:
        declared = declared.__origin__
    declared = without_none(declared)
    while typing.get_origin(declared) is typing.Annotated:
        declared = declared.__origin__
    if isinstance(value, list):
        inner = typing.get_args(declared)
        return [_snake_keys(inner[0], one, f"{path}[{at}]") for at, one in enumerate(value)] if inner else value
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct) and isinstance(value, dict):
        names = _members(declared)
        out = {}
        for key, one in value.items():
            if key not in names:
                raise InvalidInput(
                    f"{declared.__name__} has no {key[:MAX_REFERENCE]!r}",
                    remedy=like(key, names, has="it has"),
                    path=f"{path}.{key[:MAX_REFERENCE]}",
                )
            out[names[key].name] = _snake_keys(names[key].type, one, f"{path}.{key}")
        return out
    return value


@cache
def _members(struct: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """A struct's fields as documents spell them; to read them off its annotations takes 100 us."""
    return {camel(info.name): info for info in msgspec.structs.fields(struct)}
