"""What the executor knows of a selection set before it meets the first row.

A selection set is looked at once and executed for every row of a list, and for a document without directives once for
every request: which fields it has, which of them only read a value, which arguments are the same each time. A leaf whose
resolver reads one attribute, or is a method that takes nothing but its row, has a short way; the rest are only prepared.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    ListValueNode,
    ObjectValueNode,
    VariableNode,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetailsList, GroupedFieldSet
from strawberry.types.field import StrawberryField

BUILT_IN = (GraphQLString, GraphQLID, GraphQLBoolean, GraphQLInt, GraphQLFloat)
EXACT: Mapping[str, type] = {"String": str, "ID": str, "Boolean": bool, "Int": int, "Float": float}
"""The Python type whose values a built-in scalar passes on as they are (an Int within its range, a finite Float)."""


class PlannedField:
    """One field of a selection set, as far as it is the same for every row and every request."""

    __slots__ = (
        "arguments",
        "attribute",
        "coerce",
        "definition",
        "details",
        "enum",
        "exact",
        "is_non_null",
        "leaf",
        "method",
        "name",
        "names",
        "nodes",
        "resolve",
        "typename",
    )

    def __init__(
        self, name: str, details: FieldDetailsList, definition: GraphQLField, parent: GraphQLObjectType
    ) -> None:
        self.name = name
        self.details = details
        self.definition = definition
        self.nodes = [detail.node for detail in details]
        self.resolve = definition.resolve
        self.arguments: dict[str, Any] | None = None if definition.args else {}
        return_type = definition.type
        self.is_non_null = is_non_null_type(return_type)
        named = return_type.of_type if is_non_null_type(return_type) else return_type
        self.leaf: GraphQLLeafType | None = named if is_leaf_type(named) else None
        self.exact: type | None = None
        """The built-in scalar's own type."""
        self.enum: type | None = None
        """The Python enum of an enum type, whose names are kept in `names`."""
        self.names: dict[object, str] = {}
        self.coerce: Callable[[Any], Any] | None = None
        """Of a scalar of the schema's own."""
        self.attribute: str | None = None
        self.method: Callable[[Any], Any] | None = None
        self.typename: str | None = None
        if self.nodes[0].name.value == "__typename":
            self.typename = parent.name
        elif self.leaf is not None and self.arguments is not None:
            self._shorten(self.leaf)

    def arguments_are_constant(self) -> bool:
        """Whether no variable is in the field's arguments, and no value that a resolver could change."""
        for argument in self.nodes[0].arguments or ():
            if isinstance(argument.value, (VariableNode, ListValueNode, ObjectValueNode)):
                return False
        return all(type(argument.default_value) not in (list, dict) for argument in self.definition.args.values())

    def _shorten(self, leaf: GraphQLLeafType) -> None:
        field = self.definition.extensions.get("strawberry-definition")
        if not isinstance(field, StrawberryField):
            return
        reader = _reader(field, self.resolve)
        if isinstance(reader, str):
            self.attribute = reader
        else:
            self.method = reader
        if leaf in BUILT_IN:
            self.exact = EXACT[leaf.name]
        elif isinstance(leaf, GraphQLEnumType):
            wrapped = getattr(leaf, "wrapped_cls", None)
            if isinstance(wrapped, type) and issubclass(wrapped, Enum):
                self.enum = wrapped
        else:
            self.coerce = leaf.coerce_output_value


def _reader(field: StrawberryField, resolve: Any) -> str | Callable[[Any], Any] | None:
    """The attribute that a field reads, or the method that answers it from its row alone; None: neither."""
    if field.is_basic_field:
        # Marked by strawberry; a field with exception handlers is basic too, and is not marked.
        default = getattr(resolve, "_is_default", False) and field.default_resolver is getattr
        return field.python_name if default else None
    resolver = field.base_resolver
    if resolver is None or field.extensions or field.is_async or resolver.self_parameter is None:
        return None
    function = resolver.wrapped_func
    if not inspect.isfunction(function) or len(resolver.signature.parameters) != 1:
        return None
    return cast("Callable[[Any], Any]", function)


class SelectionPlans:
    """The collected and planned selection sets of one operation.

    For a document without directives they depend on nothing but the document, and are shared by all its executions;
    otherwise each execution has its own, since variables decide what is included. They are found by the identity of
    lists and dictionaries that are kept here, so that no identity is given to another while this lives.
    """

    __slots__ = ("_plans", "collected", "root")

    def __init__(self) -> None:
        self.root: GroupedFieldSet | None = None
        self.collected: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, CollectedFields]] = {}
        """graphql-core's own memory of sub-selections."""
        self._plans: dict[int, tuple[GroupedFieldSet, list[PlannedField]]] = {}

    def plan(self, schema: GraphQLSchema, parent: GraphQLObjectType, fields: GroupedFieldSet) -> list[PlannedField]:
        """The plan of a selection set that is kept in `root` or `collected`."""
        known = self._plans.get(id(fields))
        if known is not None:
            return known[1]
        plan = [
            PlannedField(name, details, definition, parent)
            for name, details in fields.items()
            if (definition := schema.get_field(parent, details[0].node.name.value)) is not None
        ]
        self._plans[id(fields)] = (fields, plan)
        return plan
