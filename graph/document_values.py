"""How documents spell a kind's fields, and how a field's value is read from theirs.

Names are those of the API: camel case; a reference is named without its `Id`, since it is given by name. Keys of mappings,
such as a configuration's, are data and stay as they are.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from graph.edit import camel
from graph.entity import HIDDEN, KINDS, MANAGED, Field, Kind, without_none
from graph.refusal import InvalidInput


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
        raise InvalidInput(
            text, remedy="give a value of the stated type and range", path=path + inner.rstrip("`")
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
                    f"{declared.__name__} has no {key!r}",
                    remedy=f"it has {', '.join(sorted(names))}",
                    path=f"{path}.{key}",
                )
            out[names[key].name] = _snake_keys(names[key].type, one, f"{path}.{key}")
        return out
    return value


@cache
def _members(struct: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """A struct's fields as documents spell them; to read them off its annotations takes 100 us."""
    return {camel(info.name): info for info in msgspec.structs.fields(struct)}
