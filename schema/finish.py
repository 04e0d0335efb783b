"""The last step of building the schema: how an abstract type finds its concrete one, and a shortcut for relations.

Concrete types are told by what a value says of itself, so that no value is asked whether it is an instance of each member of
a union in turn. Relations without arguments are answered by their own function, without the general argument conversion;
plain fields have a shortcut of their own in the server's executor.
"""

from __future__ import annotations

from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType
from strawberry.types.field import StrawberryField

from graph.entity import Entity
from schema.errors import ErrorValue


def finish(schema: GraphQLSchema) -> None:
    """Sets the shortcuts on a built schema."""
    roots = {schema.query_type, schema.mutation_type, schema.subscription_type}
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            kind.is_type_of = None
            if kind not in roots:
                _shorten(kind)
        elif isinstance(kind, (GraphQLInterfaceType, GraphQLUnionType)):
            kind.resolve_type = _type_name


def _shorten(kind: GraphQLObjectType) -> None:
    for field in kind.fields.values():
        declared = (field.extensions or {}).get("strawberry-definition")
        if not isinstance(declared, StrawberryField):
            continue
        direct = getattr(getattr(declared.base_resolver, "wrapped_func", None), "direct", None)
        if direct is not None:
            field.resolve = direct


def _type_name(value: Any, info: Any, kind: Any) -> str:
    if isinstance(value, Entity):
        return value.SPEC.name
    if isinstance(value, ErrorValue):
        return _error_name(value, kind)
    name = getattr(value, "typename", None)
    return name if isinstance(name, str) else type(value).__name__


def _error_name(value: ErrorValue, kind: Any) -> str:
    """The error's own type where the union has it, else one that every union has: an error is never lost to its type."""
    name = value.typename
    if not isinstance(kind, GraphQLUnionType) or any(one.name == name for one in kind.types):
        return name
    return "Unavailable" if value.retryable else "InvalidInput"
