"""What a query may cost, known before it is executed.

The cost of an operation is the most fields that its answer can have: each field is one, times the sizes of the lists
that it is in. A list's size is its `first`, `last` or the length of its `ids`, literal or variable, at most a page; a
page that says nothing counts as its default, or as the largest. The lists directly inside a connection (`nodes`,
`edges`) have the size that the connection was asked for; any other list of objects has an assumed size. Lists of
scalars count as one field, so a columnar answer is as cheap here as it is to make.

Fragments are analysed once each, so that a document whose fragments spread one another cannot make the analysis itself
expensive. Most costs are constants; those that depend on variables are small trees that a request evaluates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_list_type,
    is_non_null_type,
)
from graphql.type import GraphQLField

from server.endpoint_limits import EndpointLimits

PAGE_ARGUMENTS = ("first", "last")
KEY_ARGUMENTS = ("ids",)


@dataclass(frozen=True, slots=True)
class _VariableSize:
    """A list's size as a request's variable says it: a number, or a list whose length counts."""

    name: str
    fallback: int
    """For a variable that is absent or null; negative: nothing was said, then at most so many."""
    cap: int | None
    """The largest page; None for a list of keys."""

    def of(self, variables: Mapping[str, object]) -> int:
        value = variables.get(self.name)
        if isinstance(value, list):
            return len(value)
        if self.cap is None:
            return 1
        if value is None:
            return self.fallback
        if type(value) is not int:
            return self.cap
        return min(max(value, 0), self.cap)


@dataclass(slots=True, eq=False)
class _Cost:
    """`constant` and, for each part that depends on variables, the greatest of the sizes times a cost."""

    constant: int
    parts: list[tuple[tuple[int | _VariableSize, ...], _Cost]]

    def add(self, sizes: tuple[int | _VariableSize, ...], cost: _Cost) -> None:
        known = [size for size in sizes if isinstance(size, int)]
        if len(known) == len(sizes) and not cost.parts:
            self.constant += max(known) * cost.constant
        elif cost.constant or cost.parts:
            self.parts.append((sizes, cost))

    def evaluate(self, variables: Mapping[str, object], seen: dict[int, int]) -> int:
        """The number for these variables; `seen` holds what shared fragments came to."""
        if not self.parts:
            return self.constant
        if id(self) in seen:
            return seen[id(self)]
        total = self.constant
        for sizes, cost in self.parts:
            size = max(size if isinstance(size, int) else size.of(variables) for size in sizes)
            total += abs(size) * cost.evaluate(variables, seen)
        seen[id(self)] = total
        return total


_ONCE = (1,)


@dataclass(frozen=True, slots=True)
class CostPlan:
    """The cost of one operation, to be evaluated with each request's variables."""

    _root: _Cost

    def evaluate(self, variables: Mapping[str, object]) -> int:
        """The most fields that the answer can have. Variables are raw: what cannot be a size counts as a full page."""
        return self._root.evaluate(variables, {}) if self._root.parts else self._root.constant


class CostAnalysis:
    """Costs of the operations of one validated document (so: no fragment cycles, only known fields)."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, *, limits: EndpointLimits) -> None:
        self._schema = schema
        self._limits = limits
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[tuple[str, str, tuple[int | _VariableSize, ...] | None], _Cost] = {}
        self._defaults: dict[str, ValueNode | None] = {}

    def plan(self, operation: OperationDefinitionNode) -> CostPlan:
        """The cost of one of the document's operations."""
        self._known.clear()
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            return CostPlan(_Cost(0, []))
        return CostPlan(self._selections(operation.selection_set, root, None))

    def _selections(
        self,
        selections: SelectionSetNode,
        parent: GraphQLNamedType,
        page: tuple[int | _VariableSize, ...] | None,
    ) -> _Cost:
        total = _Cost(0, [])
        for node in selections.selections:
            if isinstance(node, FieldNode):
                total.constant += 1
                if node.selection_set is not None:
                    self._add_field(total, node, node.selection_set, parent, page)
            elif isinstance(node, InlineFragmentNode):
                inner = parent
                if node.type_condition is not None:
                    inner = self._schema.get_type(node.type_condition.name.value) or parent
                total.add(_ONCE, self._selections(node.selection_set, inner, page))
            elif isinstance(node, FragmentSpreadNode):
                total.add(_ONCE, self._fragment(node.name.value, page))
        return total

    def _fragment(self, name: str, page: tuple[int | _VariableSize, ...] | None) -> _Cost:
        definition = self._fragments[name]
        condition = definition.type_condition.name.value
        key = (name, condition, page)
        cost = self._known.get(key)
        if cost is None:
            parent = cast("GraphQLNamedType", self._schema.get_type(condition))
            cost = self._known[key] = self._selections(definition.selection_set, parent, page)
        return cost

    def _add_field(
        self,
        total: _Cost,
        node: FieldNode,
        selections: SelectionSetNode,
        parent: GraphQLNamedType,
        page: tuple[int | _VariableSize, ...] | None,
    ) -> None:
        name = node.name.value
        field = None
        if isinstance(parent, (GraphQLObjectType, GraphQLInterfaceType)) or name.startswith("__"):
            field = self._schema.get_field(cast("GraphQLObjectType", parent), name)
        if field is None:
            return
        named = get_named_type(field.type)
        if not is_composite_type(named):
            return
        sizes = self._sizes(node, field)
        listed = is_list_type(field.type.of_type if is_non_null_type(field.type) else field.type)
        if not listed:
            # A connection: what was asked of it is the size of the lists in it.
            total.add(_ONCE, self._selections(selections, named, sizes))
            return
        if named.name.startswith("__"):
            sizes = _ONCE
        elif sizes is None:
            assumed = self._limits.list_sizes.get(f"{parent.name}.{name}")
            sizes = (assumed,) if assumed is not None else page or (self._limits.assumed_list_size,)
        total.add(sizes, self._selections(selections, named, None))

    def _sizes(self, node: FieldNode, field: GraphQLField) -> tuple[int | _VariableSize, ...] | None:
        """What the field's arguments say of its size; None when it has none that do."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        sizes: list[int | _VariableSize] = []
        paged = False
        for name in PAGE_ARGUMENTS:
            if name in field.args:
                paged = True
                size = self._page_size(given.get(name), self._default(field, name))
                if size is not None:
                    sizes.append(size)
        if paged and not sizes:
            sizes.append(self._limits.max_list_size)
        for name in KEY_ARGUMENTS:
            value = given.get(name)
            if isinstance(value, ListValueNode):
                sizes.append(len(value.values))
            elif isinstance(value, VariableNode):
                default = self._defaults.get(value.name.value)
                fallback = len(default.values) if isinstance(default, ListValueNode) else 1
                sizes.append(_VariableSize(value.name.value, fallback, None))
        return tuple(sizes) or None

    def _page_size(self, value: ValueNode | None, default: int | None) -> int | _VariableSize | None:
        cap = self._limits.max_list_size
        if isinstance(value, IntValueNode):
            return _literal(value, cap)
        if isinstance(value, VariableNode):
            preset = self._defaults.get(value.name.value)
            if isinstance(preset, IntValueNode):
                return _VariableSize(value.name.value, _literal(preset, cap), cap)
            return _VariableSize(value.name.value, -cap if default is None else min(max(default, 0), cap), cap)
        return None if default is None else min(max(default, 0), cap)

    @staticmethod
    def _default(field: GraphQLField, name: str) -> int | None:
        default = field.args[name].default
        if default is not None:
            if type(default.value) is int:
                return default.value
            if isinstance(default.literal, IntValueNode):
                return int(default.literal.value)
        legacy = field.args[name].default_value
        return legacy if type(legacy) is int else None


def _literal(value: IntValueNode, cap: int) -> int:
    # A literal of thousands of digits is longer than Python converts; it is larger than any page in any case.
    if len(value.value) > 12:
        return 0 if value.value.startswith("-") else cap
    return min(max(int(value.value), 0), cap)
