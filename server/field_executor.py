"""Executing fields: graphql-core's executor with a deadline, and a short way for the fields that only read a value.

Nearly all fields of an answer are leaves that a row already holds. The general way costs about 3 microseconds for each:
a path, an info of 15 values, arguments, six type checks. Here a selection set is looked at once (`server/field_plans.py`)
and such a leaf is read and checked directly. Whatever is not exactly of the expected type (null where none may be, a
subclass, a number out of range) goes the general way with the value that was read, so that errors are those of the
specification.

The deadline is looked at every `FIELDS_BETWEEN_LOOKS` fields. It ends the execution with an exception that is no
`Exception`, since those become errors of single fields.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any, NamedTuple, TypeGuard, cast

from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    default_field_resolver,
    default_type_resolver,
    is_non_null_type,
)
from graphql.execution import Executor, get_argument_values, get_variable_values
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails, GroupedFieldSet, collect_fields
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution import optimized_is_awaitable

from resolvers.problems import RequestProblem
from server.answered_lists import MAX_INT, MIN_INT, answered
from server.field_plans import PlannedField, SelectionPlans

FIELDS_BETWEEN_LOOKS = 1_000


class DeadlinePassed(BaseException):  # an Exception would be taken for a field's error and the rest executed
    """The time for this execution is over."""


class ResolveInfo(NamedTuple):
    """What resolvers are told: graphql-core's info, with the plain variables that strawberry's resolvers expect."""

    field_name: str
    field_nodes: list[FieldNode]
    return_type: GraphQLOutputType
    parent_type: GraphQLObjectType
    path: Path
    schema: Any
    fragments: Any
    root_value: Any
    operation: Any
    variable_values: dict[str, Any]
    context: Any
    is_awaitable: Any
    abort_signal: Any
    async_helpers: Any
    operation_extensions: Any


class Fragments(NamedTuple):
    """The fragments of a document, in the two forms that executors and resolvers want."""

    definitions: dict[str, FragmentDefinitionNode]
    details: dict[str, FragmentDetails]


class FieldExecutor(Executor[None]):
    """Executes one operation; see the module's first paragraph.

    `look` is called every so many fields. Of more than `max_errors` errors only the nulls remain: each would keep the
    frames that it came through.
    """

    def __init__(
        self,
        *args: Any,
        look: Callable[[], None] | None = None,
        max_errors: int = 100,
        plans: SelectionPlans | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.is_awaitable = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", optimized_is_awaitable)
        self.look = look
        self._max_errors = max_errors
        self._left = FIELDS_BETWEEN_LOOKS
        self._plans = plans or SelectionPlans()
        self._relevant_sub_fields = self._plans.collected
        self._own_arguments: dict[PlannedField, dict[str, Any]] = {}

    @classmethod
    def for_operation(
        cls,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        *,
        fragments: Fragments,
        variables: dict[str, Any],
        context: object,
        look: Callable[[], None],
        max_errors: int,
        plans: SelectionPlans | None,
    ) -> FieldExecutor | list[GraphQLError]:
        """An executor for one request, or what is wrong with its variables."""
        values: VariableValues | list[GraphQLError] = VariableValues({}, {})
        if operation.variable_definitions:
            values = get_variable_values(
                schema, operation.variable_definitions, variables, max_errors=max_errors, hide_suggestions=True
            )
            if isinstance(values, list):
                return values
        return cls(
            schema,
            fragments.definitions,
            fragments.details,
            None,
            context,
            operation,
            values,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            hide_suggestions=True,
            look=look,
            max_errors=max_errors,
            plans=plans,
        )

    def for_event(self, payload: object, context: object) -> FieldExecutor:
        """The same operation for one event of a subscription; what was planned is shared."""
        executor = copy(self)
        executor.root_value = payload
        executor.context_value = context
        executor.collected_errors = CollectedErrors()
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        """The whole operation: an ExecutionResult, or an awaitable of one. Section 6.2 of the specification."""
        kind = self.operation.operation
        try:
            root = self.schema.get_root_type(kind)
            if root is None:
                raise GraphQLError(f"The schema has no {kind.value} type.", self.operation)
            if self._plans.root is None:
                self._plans.root = collect_fields(
                    self.schema, self.fragments, self.variable_values, root, self.operation, True
                ).grouped_field_set
            if serially is None:
                serially = kind is OperationType.MUTATION
            execute = self.execute_fields_serially if serially else self.execute_fields
            data = execute(root, self.root_value, None, self._plans.root, None)
            if self.is_awaitable(data):
                return self._awaited_operation(data)
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            data = None
        return ExecutionResult(cast("dict[str, Any] | None", data), self.collected_errors.errors or None)

    async def _awaited_operation(self, data: Awaitable[dict[str, Any]]) -> ExecutionResult:
        done: dict[str, Any] | None = None
        try:
            done = await data
        except GraphQLError as error:
            self.collected_errors.add(error, None)
        return ExecutionResult(done, self.collected_errors.errors or None)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: None,
    ) -> Any:
        """The fields of one object. Returns a dict, or an awaitable of one when a field is awaited."""
        plan = self._plans.plan(self.schema, parent_type, grouped_field_set)
        self._count(len(plan))
        results: dict[str, Any] = {}
        awaited: list[str] = []
        try:
            for field in plan:
                name = field.name
                if field.attribute is not None or field.method is not None:
                    try:
                        if field.attribute is not None:
                            value = getattr(source_value, field.attribute)
                        else:
                            value = field.method(source_value)  # type: ignore[misc]  # one of the two is there
                    except Exception as error:  # noqa: BLE001 - as of any resolver: it becomes the field's error
                        self._failed(error, field, parent_type, path)
                        value = None
                    else:
                        value = self._completed(field, value, parent_type, path)
                elif field.typename is not None:
                    value = field.typename
                else:
                    value = self._resolved(field, parent_type, source_value, path)
                results[name] = value
                if type(value) not in _PLAIN and self.is_awaitable(value):
                    awaited.append(name)
        except Exception:
            if awaited:
                self.settle_in_background([results[name] for name in awaited])
            raise
        except BaseException:
            for name in awaited:
                if inspect.iscoroutine(results[name]):
                    results[name].close()
            raise
        return _gathered(results, awaited) if awaited else results

    async def execute_fields_serially(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: None,
    ) -> dict[str, Any]:
        """The root fields of a mutation, each begun when the one before has ended. Section 6.2.2."""
        results: dict[str, Any] = {}
        for field in self._plans.plan(self.schema, parent_type, grouped_field_set):
            self._count(1)
            value = self._resolved(field, parent_type, source_value, path)
            results[field.name] = await value if self.is_awaitable(value) else value
        return results

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: None,
    ) -> Any:
        """A list; one of built-in scalars is passed on as it is when all its items are exactly of that type, one of an
        enum's values becomes their names."""
        if isinstance(result, (list, tuple)):
            plain = answered(return_type.of_type, result)
            if plain is not None:
                self._count(len(plain) // 16)
                return plain
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def handle_field_error(
        self, raw_error: Exception, return_type: GraphQLOutputType, field_details_list: FieldDetailsList, path: Path
    ) -> None:
        """Takes down a field's error, or raises it to the parent when the field may not be null."""
        full = len(self.collected_errors.errors) >= self._max_errors
        if full and not is_non_null_type(return_type):
            return
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    def get_stream_usage(self, field_details_list: FieldDetailsList, path: Path) -> None:
        """None: the schema has no @stream."""
        return

    def build_resolve_info(
        self, field_def: GraphQLField, field_nodes: list[FieldNode], parent_type: GraphQLObjectType, path: Path
    ) -> GraphQLResolveInfo[Any]:
        """The info that resolvers get."""
        info = ResolveInfo(
            field_nodes[0].name.value,
            field_nodes,
            field_def.type,
            parent_type,
            path,
            self.schema,
            self.fragment_definitions,
            self.root_value,
            self.operation,
            self.variable_values.coerced,
            self.context_value,
            self.is_awaitable,
            self.abort_signal,
            self.async_helpers,
            None,
        )
        return cast("GraphQLResolveInfo[Any]", info)

    def _count(self, fields: int) -> None:
        self._left -= fields
        if self._left < 0:
            self._left = FIELDS_BETWEEN_LOOKS
            if self.look is not None:
                self.look()

    def _completed(self, field: PlannedField, value: Any, parent_type: GraphQLObjectType, path: Path | None) -> Any:
        """A leaf's value as the answer holds it."""
        kind = type(value)
        if kind is field.exact:
            if kind is int:
                if MIN_INT <= value <= MAX_INT:
                    return value
            elif kind is not float or math.isfinite(value):
                return value
        elif value is None:
            if not field.is_non_null:
                return None
        elif field.coerce is not None:
            if kind in _PLAIN:
                try:
                    coerced = field.coerce(value)
                except Exception:  # noqa: BLE001 - the general way does it again and tells where
                    coerced = None
                if coerced is not None and coerced is not Undefined:
                    return coerced
        elif kind is field.enum:
            name = field.names.get(value)
            if name is not None:
                return name
        return self._complete_slowly(field, value, parent_type, path)

    def _complete_slowly(
        self, field: PlannedField, value: Any, parent_type: GraphQLObjectType, path: Path | None
    ) -> Any:
        field_path = Path(path, field.name, parent_type.name)
        try:
            if field.leaf is not None and value is not None and not self.is_awaitable(value):
                coerced = self.complete_leaf_value(field.leaf, value) if not isinstance(value, Exception) else None
                if coerced is not None:
                    if type(value) is field.enum:
                        field.names[value] = coerced
                    return coerced
            info = self.build_resolve_info(field.definition, field.nodes, parent_type, field_path)
            return self._complete(field, info, field_path, value)
        except Exception as error:  # noqa: BLE001 - as of any resolver: it becomes the field's error
            self.handle_field_error(error, field.definition.type, field.details, field_path)
            return None

    def _resolved(self, field: PlannedField, parent_type: GraphQLObjectType, source: Any, path: Path | None) -> Any:
        """The general way: resolve, then complete. Section 6.4 of the specification."""
        field_path = Path(path, field.name, parent_type.name)
        info = self.build_resolve_info(field.definition, field.nodes, parent_type, field_path)
        try:
            arguments = field.arguments if field.arguments is not None else self._arguments(field)
            result = (field.resolve or self.field_resolver)(source, info, **arguments)
            return self._complete(field, info, field_path, result)
        except Exception as error:  # noqa: BLE001 - as of any resolver: it becomes the field's error
            self.handle_field_error(error, field.definition.type, field.details, field_path)
            return None

    def _complete(self, field: PlannedField, info: GraphQLResolveInfo[Any], path: Path, result: Any) -> Any:
        return_type, details = field.definition.type, field.details
        if self.is_awaitable(result):
            return self.complete_awaitable_value(return_type, details, info, path, result, None)
        completed = self.complete_value(return_type, details, info, path, result, None)
        if type(completed) in _PLAIN or not self.is_awaitable(completed):
            return completed
        return self._awaited(completed, field, path)

    async def _awaited(self, completed: Awaitable[Any], field: PlannedField, path: Path) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - as of any resolver: it becomes the field's error
            self.handle_field_error(error, field.definition.type, field.details, path)
            return None

    def _arguments(self, field: PlannedField) -> dict[str, Any]:
        """The field's arguments, which are the same for every row."""
        own = self._own_arguments.get(field)
        if own is not None:
            return own
        detail = field.details[0]
        try:
            own = get_argument_values(
                field.definition, detail.node, self.variable_values, detail.fragment_variable_values, True
            )
        except GraphQLError as error:
            # Only a variable can be wrong here; the document was validated. It is the caller's to mend.
            raise RequestProblem("BAD_USER_INPUT", error.message, remedy="send another value") from error
        if field.arguments_are_constant():
            field.arguments = own
        else:
            self._own_arguments[field] = own
        return own

    def _failed(self, error: Exception, field: PlannedField, parent_type: GraphQLObjectType, path: Path | None) -> None:
        field_path = Path(path, field.name, parent_type.name)
        self.handle_field_error(error, field.definition.type, field.details, field_path)


_PLAIN = frozenset({str, int, float, bool, type(None), dict, list})


async def _gathered(results: dict[str, Any], awaited: list[str]) -> dict[str, Any]:
    if len(awaited) == 1:
        results[awaited[0]] = await results[awaited[0]]
    else:
        values = await gather_with_cancel(*(results[name] for name in awaited))
        results.update(zip(awaited, values, strict=True))
    return results
