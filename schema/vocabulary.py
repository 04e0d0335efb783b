"""The names of the schema, and how a type is made from a declaration instead of a class body.

Object types, inputs, filters and connections of every kind derive from the kind's own fields (graph/entity.py), so a field
is written once. What is derived is registered here under its GraphQL name, and every annotation is a string that is looked
up here when the schema is built; so types may name each other in any order.
"""

from __future__ import annotations

import ast
import copy
import enum
import inspect
import itertools
import sys
import textwrap
import types
import typing
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Annotated, Any, Union

import msgspec
import strawberry
from strawberry.annotation import StrawberryAnnotation

from graph.entity import Timestamp, without_none
from graph.spelling import camel
from schema.given_values import quickly
from schema.scalars import BigInt, DateTime, Json

_MODULE = "schema._derived"
_module = types.ModuleType(_MODULE, "The derived types, by their GraphQL names.")
sys.modules[_MODULE] = _module
NAMES: dict[str, Any] = _module.__dict__
NAMES.update(
    AsyncGenerator=AsyncGenerator,
    BigInt=BigInt,
    DateTime=DateTime,
    JSON=Json,
    ID=strawberry.ID,
    Optional=typing.Optional,
    Info=strawberry.Info,
)
ENUMS: dict[str, type[enum.Enum]] = {}

Member = tuple[Any, Any]
"""An annotation (text or type; None when the field brings its own) and a strawberry field."""


def annotation(text: Any) -> StrawberryAnnotation:
    """An annotation that is looked up among the names when the schema is built."""
    return StrawberryAnnotation(text, namespace=NAMES)


def register(name: str, value: Any) -> Any:
    """Adds a type under its GraphQL name. Raises TypeError when the name is taken by another."""
    if NAMES.get(name, value) is not value:
        raise TypeError(f"the schema has two types named {name}")
    NAMES[name] = value
    return value


def object_type(
    name: str, members: Mapping[str, Member], *, description: str, bases: Sequence[type] = (), interface: bool = False
) -> Any:
    """An object type or interface from its members."""
    cls = _class(name, members, bases)
    decorate = strawberry.interface if interface else strawberry.type
    return register(name, decorate(cls, name=name, description=description))


def input_type(name: str, members: Mapping[str, Member], *, description: str) -> Any:
    """An input type from its members."""
    return register(name, quickly(strawberry.input(_class(name, members, ()), name=name, description=description)))


def enum_type(cls: type[enum.Enum]) -> str:
    """The GraphQL name of a Python enum, registered at its first use."""
    if cls.__name__ not in NAMES:
        described_enum(cls, description=(cls.__doc__ or "").strip(), members=member_docs(cls))
        ENUMS[cls.__name__] = cls
    return cls.__name__


def described_enum(cls: type[enum.Enum], *, description: str, members: Mapping[str, str]) -> None:
    """Registers an enum under its own name; `members` are the descriptions of its values by name."""
    made: Any = strawberry.enum(cls, name=cls.__name__, description=description)
    for value in made.__strawberry_definition__.values:
        value.description = members.get(value.name)
    register(cls.__name__, made)


def member_docs(cls: type[enum.Enum]) -> dict[str, str]:
    """What stands under each member of an enum in its source, by name."""
    [body] = [
        one.body for one in ast.parse(textwrap.dedent(inspect.getsource(cls))).body if isinstance(one, ast.ClassDef)
    ]
    docs: dict[str, str] = {}
    for member, below in itertools.pairwise(body):
        if (
            not isinstance(member, ast.Assign)
            or not isinstance(below, ast.Expr)
            or not isinstance(below.value, ast.Constant)
        ):
            continue
        docs |= {
            one.id: inspect.cleandoc(str(below.value.value)) for one in member.targets if isinstance(one, ast.Name)
        }
    return docs


def union_type(name: str, members: Sequence[str], *, description: str) -> str:
    """The GraphQL name of a union of registered types."""
    types = tuple(NAMES[one] for one in members)
    united: Any = Union.__getitem__(types)
    register(name, Annotated[united, strawberry.union(name, description=description)])
    return name


Arguments = Mapping[str, tuple[str, Any, str]]
"""Arguments of a field by name: annotation, default (UNSET for none) and description."""


def subscription_field(function: Callable[..., Any], *, yields: str, description: str, arguments: Arguments) -> Any:
    """A subscription field; `function` gives a LiveQuery under the annotation of a stream."""
    call = _call(function, arguments)
    return strawberry.subscription(
        resolver=call, graphql_type=annotation(f"AsyncGenerator[{yields}, None]"), description=description
    )


def resolver_field(
    function: Callable[..., Any], *, returns: str, description: str, arguments: Arguments | None = None
) -> Any:
    """A field that is answered by `function(self, info, **arguments)`."""
    call = _call(function, arguments or {})
    if not arguments:
        # What `finish` calls without the way through argument conversion.
        call.direct = function
    return strawberry.field(resolver=call, graphql_type=annotation(returns), description=description)


def _call(function: Callable[..., Any], arguments: Arguments) -> Any:
    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=strawberry.Info),
    ]
    for name, (kind, default, text) in arguments.items():
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=default,
                annotation=Annotated[kind, strawberry.argument(description=text, name=camel(name.rstrip("_")))],
            )
        )

    # What a caller leaves out is not passed at all; functions are told so by UNSET.
    left_out = {name: strawberry.UNSET for name, (_, default, _) in arguments.items() if default is strawberry.UNSET}

    if inspect.iscoroutinefunction(function):

        async def call_async(self: Any, info: Any, **given: Any) -> Any:
            return await function(self, info, **(left_out | given))

        call: Any = call_async
    else:

        def call_sync(self: Any, info: Any, **given: Any) -> Any:
            return function(self, info, **(left_out | given))

        call = call_sync
    call.__signature__ = inspect.Signature(parameters)
    call.__annotations__ = {one.name: one.annotation for one in parameters if one.annotation is not one.empty}
    call.__module__ = _MODULE
    return call


def output(declared: Any, *, big: bool = False) -> str:
    """The annotation text of a value's type in an output."""
    return _text(declared, big=big, suffix="", struct=struct_type)


def given(declared: Any, *, big: bool = False) -> str:
    """The annotation text of a value's type in an input."""
    return _text(declared, big=big, suffix="Input", struct=struct_input)


_value_fields: dict[str, dict[str, Any]] = {}
_instead: set[tuple[str, str]] = set()


def value_field(
    cls: type[msgspec.Struct],
    name: str,
    function: Callable[..., Any],
    *,
    returns: str,
    description: str,
    instead_of: str = "",
) -> None:
    """Adds a field to a value's object type, answered by `function(value, info)`; `instead_of` is the value's own field
    that is not shown then. Raises TypeError when the type was derived already.
    """
    if cls.__name__ in NAMES:
        raise TypeError(f"{cls.__name__}.{name} comes after the type was defined")
    made = resolver_field(function, returns=returns, description=description)
    _value_fields.setdefault(cls.__name__, {})[name] = made
    _instead.add((cls.__name__, instead_of))


def struct_type(cls: type[msgspec.Struct]) -> str:
    """The GraphQL name of a value's object type, derived at its first use."""
    name = cls.__name__
    if name not in NAMES:
        NAMES[name] = None
        members: dict[str, Member] = {
            field.name: (_identifying(field.name, output(kind, big=big)), strawberry.field(description=text))
            for field, kind, text, big in _struct_fields(cls)
            if (name, field.name) not in _instead
        }
        members.update({key: (None, made) for key, made in _value_fields.get(name, {}).items()})
        del NAMES[name]
        object_type(name, members, description=inspect.cleandoc(cls.__doc__ or ""))
    return name


def struct_input(cls: type[msgspec.Struct]) -> str:
    """The GraphQL name of a value's input type, derived at its first use."""
    name = f"{cls.__name__}Input"
    if name not in NAMES:
        NAMES[name] = None
        members: dict[str, Member] = {}
        for field, kind, text, big in _struct_fields(cls):
            wanted = _identifying(field.name, given(kind, big=big))
            if field.required:
                members[field.name] = (wanted, strawberry.field(description=text))
            else:
                members[field.name] = (
                    optional(wanted),
                    strawberry.field(description=text + default_note(field), default=strawberry.UNSET),
                )
        del NAMES[name]
        input_type(name, members, description=inspect.cleandoc(cls.__doc__ or ""))
    return name


def _identifying(name: str, text: str) -> str:
    """The annotation text of a value's field, which is of ids where the field's name says so."""
    return text.replace("str", "ID") if name.endswith(("_id", "_ids")) else text


def optional(text: str) -> str:
    """The nullable form of an annotation text."""
    return text if text.startswith("Optional[") else f"Optional[{text}]"


def default_note(field: msgspec.structs.FieldInfo) -> str:
    """What is taken when the field is left out, as a sentence for its description."""
    value = field.default
    if value is None or value is msgspec.NODEFAULT or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, enum.Enum):
        return f" Default: {value.name}."
    return f" Default: {msgspec.json.encode(value).decode()}."


def _struct_fields(
    cls: type[msgspec.Struct],
) -> list[tuple[msgspec.structs.FieldInfo, Any, str, bool]]:
    hints = typing.get_type_hints(cls, include_extras=True)
    listed = []
    for field in msgspec.structs.fields(cls):
        hint, metadata = peel(hints[field.name])
        texts = [one.description for one in metadata if isinstance(one, msgspec.Meta) and one.description]
        if not texts:
            raise TypeError(f"{cls.__name__}.{field.name} has no description")
        kind = Annotated[hint, Timestamp] if Timestamp in metadata else hint
        listed.append((field, kind, texts[-1], is_big(metadata)))
    return listed


def peel(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and the metadata around it, that of a lone member of an optional type included."""
    metadata: tuple[Any, ...] = ()
    while typing.get_origin(hint) is Annotated:
        metadata, hint = (*metadata, *hint.__metadata__), hint.__origin__
    inner = without_none(hint)
    if inner is not hint and typing.get_origin(inner) is Annotated:
        _, extra = peel(inner)
        metadata = (*extra, *metadata)
    return hint, metadata


def is_big(metadata: Sequence[Any]) -> bool:
    """Whether an integer may go beyond 32 bits: unless its limits say that it does not."""
    return not any(isinstance(one, msgspec.Meta) and one.le is not None and one.le <= 2**31 - 1 for one in metadata)


def _text(declared: Any, *, big: bool, suffix: str, struct: Callable[[type[msgspec.Struct]], str]) -> str:
    if typing.get_origin(declared) is Annotated:
        if Timestamp in declared.__metadata__:
            nullable = without_none(declared.__origin__) is not declared.__origin__
            return "Optional[DateTime]" if nullable else "DateTime"
        return _text(declared.__origin__, big=big or is_big(declared.__metadata__), suffix=suffix, struct=struct)
    origin, inner = typing.get_origin(declared), typing.get_args(declared)
    if origin in (Union, types.UnionType):
        return optional(_text(without_none(declared), big=big, suffix=suffix, struct=struct))
    if origin is list:
        return f"list[{_text(inner[0], big=big, suffix=suffix, struct=struct)}]"
    if origin is dict:
        if inner[1] is str:
            return f"list[Label{suffix}]"
        if inner[1] is int:
            return f"list[Count{suffix}]"
        return "JSON"
    if isinstance(declared, type) and issubclass(declared, enum.Enum):
        return enum_type(declared)
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct):
        return struct(declared)
    if declared is int:
        return "BigInt" if big else "int"
    if declared is Any:
        return "Optional[JSON]"
    names = {str: "str", float: "float", bool: "bool"}
    if declared not in names:
        raise TypeError(f"no GraphQL type stands for {declared!r}")
    return names[declared]


def _class(name: str, members: Mapping[str, Member], bases: Sequence[type]) -> type:
    body: dict[str, Any] = {"__annotations__": {}, "__module__": _MODULE}
    for key, (kind, field) in members.items():
        # A field object becomes its class's own, so one that several types are given is copied for each.
        body[key] = copy.copy(field)
        if kind is not None:
            body["__annotations__"][key] = kind
    return type(name, tuple(bases), body)
