"""Inputs of the derived mutations, and how a given input becomes an entity's fields.

Create takes what a user may set; update takes a patch, in which a field that is absent stays and one that is null is
cleared; delete takes an id. References are given by id under the reference's name with `Id`.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Mapping
from typing import Any

import msgspec
import strawberry

from graph.entity import HIDDEN, IMMUTABLE, MANAGED, Field, Kind
from graph.refusal import InvalidInput
from graph.spelling import camel
from graph.value_words import plain_words
from schema.vocabulary import NAMES, Member, given, input_type, is_big, optional

UNSET = strawberry.UNSET
IDEMPOTENCY = "The same key and body return the first result; another body is refused. Kept for 7 days."
EXPECTED = "Refused with Conflict when it has changed since this revision."


def settable(kind: Kind) -> list[Field]:
    """The fields that a user gives when an entity of the kind is made."""
    return [
        field
        for field in kind.fields.values()
        if field.name != "id" and MANAGED not in field.marks and HIDDEN not in field.marks
    ]


def changeable(kind: Kind) -> list[Field]:
    """The fields that a user may change later."""
    return [field for field in settable(kind) if IMMUTABLE not in field.marks]


def define_common_inputs() -> None:
    """The inputs that several kinds share."""
    if "LabelInput" in NAMES:
        return
    input_type(
        "LabelInput",
        {
            "key": ("str", strawberry.field(description="By the Kubernetes rules for label keys.")),
            "value": ("str", strawberry.field(description="By the Kubernetes rules for label values.")),
        },
        description="A label to set.",
    )
    input_type(
        "CountInput",
        {
            "name": ("str", strawberry.field(description="The name that the number is for.")),
            "count": ("int", strawberry.field(description="How many.")),
        },
        description="A number under a name.",
    )


def create_input(
    kind: Kind, *, without: frozenset[str] = frozenset(), extra: Mapping[str, Member] | None = None
) -> str:
    """The GraphQL name of a kind's create input."""
    members = {field.name: _member(field, patch=False) for field in settable(kind) if field.name not in without}
    members.update(extra or {})
    members["idempotency_key"] = _optional("str", IDEMPOTENCY)
    name = f"Create{kind.name}Input"
    input_type(name, members, description=f"A new {kind.name}.")
    return name


def update_input(kind: Kind, *, extra: Mapping[str, Member] | None = None) -> str:
    """The GraphQL name of a kind's update input."""
    members: dict[str, Member] = {
        "id": ("ID", strawberry.field(description=f"The {kind.name} to change.")),
        "expected_revision": _optional("BigInt", EXPECTED),
    }
    members.update({field.name: _member(field, patch=True) for field in changeable(kind)})
    members.update(extra or {})
    members["idempotency_key"] = _optional("str", IDEMPOTENCY)
    name = f"Update{kind.name}Input"
    input_type(name, members, description=f"A patch of {kind.one}: what is absent stays, what is null is cleared.")
    return name


def delete_input(kind: Kind) -> str:
    """The GraphQL name of a kind's delete input."""
    members: dict[str, Member] = {
        "id": ("ID", strawberry.field(description=f"The {kind.name} to delete.")),
        "expected_revision": _optional("BigInt", EXPECTED),
        "cascade": (
            "bool",
            strawberry.field(
                description="Also delete what cannot be without it, in the same commit. Default: false, it is refused then.",
                default=False,
            ),
        ),
        "idempotency_key": _optional("str", IDEMPOTENCY),
    }
    name = f"Delete{kind.name}Input"
    input_type(name, members, description=f"Which {kind.name} to delete.")
    return name


def _optional(kind: str, text: str) -> Member:
    return f"Optional[{kind}]", strawberry.field(description=text, default=UNSET)


def _member(field: Field, *, patch: bool) -> Member:
    if field.ref is not None and typing.get_origin(field.type) is list:
        kind = "list[ID]"
    elif field.ref is not None and typing.get_origin(field.type) is not dict:
        kind = "ID"
    else:
        kind = given(field.type, big=is_big(field.meta))
    if field.required and not patch:
        return kind, strawberry.field(description=field.description)
    return optional(kind), strawberry.field(description=field.description, default=UNSET)


def fields_from(kind: Kind, source: Any, *, names: list[Field], patch: bool, path: str = "input") -> dict[str, Any]:
    """Values for an entity's fields out of an input. Raises InvalidInput naming the input field."""
    out: dict[str, Any] = {}
    for field in names:
        value = getattr(source, field.name, UNSET)
        if value is UNSET:
            continue
        where = f"{path}.{camel(field.name)}"
        if value is None:
            if field.required:
                raise InvalidInput(f"{field.name} of a {kind.name} cannot be null", remedy="give a value", path=where)
            if patch:
                out[field.name] = kind.default_of(field.name)
            continue
        out[field.name] = value_from(field, value, path=where)
    return out


def value_from(field: Field, value: Any, *, path: str) -> Any:
    """One field's value out of an input's. Raises InvalidInput."""
    plain = plain_input(value)
    origin = typing.get_origin(field.type)
    if origin is dict and isinstance(value, list):
        plain = _pairs(plain, path=path)
    try:
        return msgspec.convert(plain, _declared(field))
    except msgspec.ValidationError as problem:
        text, _, inner = str(problem).partition(" - at `$")
        where = path + _camel_path(inner)
        raise InvalidInput(
            plain_words(text, path=where), remedy="give a value of the type and range that the field states", path=where
        ) from None


def _camel_path(inner: str) -> str:
    parts = inner.rstrip("`").replace("[", ".[").split(".")
    return "".join(part if part.startswith("[") else f".{camel(part)}" for part in parts if part)


def _declared(field: Field) -> Any:
    if not field.meta:
        return field.type
    return typing.Annotated[(field.type, *field.meta)]


def _pairs(items: list[Any], *, path: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for at, item in enumerate(items):
        (name, key), (_, value) = item.items()
        if key in out:
            raise InvalidInput(f"{key!r} is given twice", remedy="give each once", path=f"{path}[{at}].{name}")
        out[key] = value
    return out


def plain_input(value: Any) -> Any:
    """An input object as plain values; what is unset or null in it is left out."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return [plain_input(one) for one in value]
    if hasattr(value, "__strawberry_definition__"):
        return {key: plain_input(one) for key, one in vars(value).items() if one is not UNSET and one is not None}
    return value
