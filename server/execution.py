"""From a request's parameters to an answer, the same for HTTP and WebSocket.

The stages are apart because they fail differently: `Parameters` may be malformed; `prepare` refuses what is invalid or
too large before anything is executed; `run` executes with a deadline and masks. What resolvers do for reading is
synchronous, so most answers are there when `run` returns, and nothing is awaited for them.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema
from graphql.execution import create_source_event_stream
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from placement.compiled import is_compiling
from resolvers.live import LiveQuery
from server.documents import Document, DocumentCache, Operation
from server.endpoint_limits import EndpointLimits
from server.endpoint_metrics import EndpointMetrics
from server.field_executor import DeadlinePassed, FieldExecutor
from server.masking import Formatted, Refused, formatted, internal, limit_exceeded, masked

MAX_INTROSPECTIONS = 32
"""Encoded answers to introspections that are kept: the schema does not change, and its answer takes 100 ms to make."""
COMPILING = "what places apps is being compiled on this machine, once after installation, which takes about a minute"
"""Why what is to be placed is late then, and not by its size."""

_PROCESS = secrets.token_hex(5)
_made = itertools.count(1)
_SAFE_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class Viewer(Protocol):
    """Who asks, as far as the endpoint must know."""

    @property
    def id(self) -> str:
        """Names the viewer; connections are counted by it."""
        ...

    @property
    def permission_key(self) -> Hashable:
        """Viewers with equal keys see the same."""
        ...

    @property
    def via_cookie(self) -> bool:
        """Signed in by a browser's cookie, which a browser sends for other sites too."""
        ...


V = TypeVar("V", bound=Viewer)

Answer: TypeAlias = dict[str, object]
"""A GraphQL response: `data`, `errors`, `extensions`."""


def correlation_id(offered: str | None) -> str:
    """The caller's own id when it is short and safe to log and to send back, else a new one."""
    if offered is not None and _SAFE_CORRELATION_ID.fullmatch(offered):
        return offered
    return f"{_PROCESS}-{next(_made):x}"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a request (GraphQL over HTTP, 5.1)."""

    query: str
    operation_name: str | None
    variables: dict[str, Any]

    @classmethod
    def from_json(cls, body: object) -> Parameters:
        """Checks a decoded request. Raises Refused."""
        if isinstance(body, list):
            raise malformed("batches are not supported", "send one request at a time")
        if not isinstance(body, dict):
            raise malformed("the request is not a JSON object", 'send {"query": "{ … }"}')
        query, name = body.get("query"), body.get("operationName")
        variables, extensions = body.get("variables"), body.get("extensions")
        if not isinstance(query, str) or not query:
            raise malformed("query must be a string that holds a GraphQL document", 'send {"query": "{ … }"}')
        if name is not None and not isinstance(name, str):
            raise malformed("operationName must be a string", "name one of the document's operations")
        if variables is not None and not isinstance(variables, dict):
            raise malformed("variables must be an object", "send a JSON object of variables by name")
        if extensions is not None and not isinstance(extensions, dict):
            raise malformed("extensions must be an object", "send a JSON object, or leave it out")
        return cls(query, name or None, variables or {})


def malformed(message: str, remedy: str, *, status: int = 400, code: str = "BAD_REQUEST") -> Refused:
    """The refusal of what is not a request of GraphQL over HTTP; its status is the same for every media type."""
    return Refused([formatted(code, message, remedy=remedy)], status=status, wellformed=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid operation within the limits, with its variables and what it may cost."""

    document: Document
    operation: Operation
    variables: dict[str, Any]
    cost: int


class Engine(Generic[V]):
    """Executes operations of one schema for viewers."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        context_factory: Callable[[V, str], object],
        limits: EndpointLimits,
        metrics: EndpointMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.schema = schema
        self.limits = limits
        self.metrics = metrics or EndpointMetrics()
        self.clock = clock
        self._context_factory = context_factory
        self._introspected: OrderedDict[tuple[bytes, str | None, bytes], orjson.Fragment] = OrderedDict()
        self.documents = DocumentCache(
            schema,
            limits=limits,
            extra_rules=(MaybeNullValidationRule, OneOfInputValidationRule),
            on_lookup=self.metrics.document,
        )

    def prepare(self, parameters: Parameters) -> Prepared:
        """Finds the operation and decides whether it may be executed. Raises Refused."""
        document = self.documents.get(parameters.query)
        operation = document.operation(parameters.operation_name)
        cost = operation.cost.evaluate(parameters.variables)
        if cost > self.limits.max_cost:
            raise limit_exceeded(
                "cost", have=cost, allowed=self.limits.max_cost, remedy="ask for smaller pages or fewer fields"
            )
        return Prepared(document, operation, parameters.variables, cost)

    def run(self, prepared: Prepared, viewer: V, correlation_id: str) -> Answer | Awaitable[Answer]:
        """Executes a query or mutation. Raises Refused for variables that do not fit, or when the time is over."""
        started = self.clock()
        known = self._known_introspection(prepared)
        if known is not None:
            return {"data": known}
        deadline = started + self.limits.execution_s
        executor = self._executor(prepared, viewer, correlation_id, deadline)
        try:
            result = executor.execute_operation()
        except DeadlinePassed:
            raise self._timed_out(prepared, started) from None
        if isinstance(result, ExecutionResult):
            return self._answered(prepared, result, correlation_id, started)
        return self._awaited(prepared, cast("Awaitable[ExecutionResult]", result), correlation_id, started, deadline)

    async def subscribe(self, prepared: Prepared, viewer: V, correlation_id: str) -> tuple[FieldExecutor, LiveQuery]:
        """Calls a subscription's resolver. Raises Refused with what it raised."""
        started = self.clock()
        deadline = started + self.limits.execution_s
        executor = self._executor(prepared, viewer, correlation_id, deadline)
        try:
            async with asyncio.timeout(self.limits.execution_s):
                stream: object = create_source_event_stream(executor)
                if executor.is_awaitable(stream):
                    stream = await stream
        except (TimeoutError, DeadlinePassed):
            raise self._timed_out(prepared, started) from None
        if isinstance(stream, ExecutionResult):
            self.metrics.operation("subscription", "errors", self.clock() - started)
            raise Refused(self._masked(stream.errors or [], correlation_id))
        if not isinstance(stream, LiveQuery):
            problem = TypeError(f"a subscription's resolver must return a LiveQuery, not {type(stream).__name__}")
            raise Refused([internal(problem, correlation_id=correlation_id)], status=500)
        self.metrics.operation("subscription", "ok", self.clock() - started)
        return executor, stream

    def event(
        self, executor: FieldExecutor, payload: object, viewer: V, correlation_id: str
    ) -> bytes | Awaitable[bytes]:
        """Executes a subscription for one event and encodes its answer."""
        deadline = self.clock() + self.limits.execution_s
        own = executor.for_event(payload, self._context_factory(viewer, correlation_id))
        own.look = self._look(deadline)
        try:
            result = own.execute_operation(False)
        except DeadlinePassed:
            return encode({"errors": [_timeout("event")]}, correlation_id)
        if isinstance(result, ExecutionResult):
            return self._encoded_event(result, correlation_id)
        return self._awaited_event(cast("Awaitable[ExecutionResult]", result), correlation_id)

    async def _awaited_event(self, result: Awaitable[ExecutionResult], correlation_id: str) -> bytes:
        try:
            async with asyncio.timeout(self.limits.execution_s):
                return self._encoded_event(await result, correlation_id)
        except (TimeoutError, DeadlinePassed):
            return encode({"errors": [_timeout("event")]}, correlation_id)

    def _encoded_event(self, result: ExecutionResult, correlation_id: str) -> bytes:
        answer: Answer = {"data": result.data}
        if result.errors:
            answer["errors"] = self._masked(result.errors, correlation_id)
        return encode(answer, correlation_id)

    def _executor(self, prepared: Prepared, viewer: V, correlation_id: str, deadline: float) -> FieldExecutor:
        executor = FieldExecutor.for_operation(
            self.schema,
            prepared.operation.node,
            fragments=prepared.document.fragments,
            variables=prepared.variables,
            context=self._context_factory(viewer, correlation_id),
            look=self._look(deadline),
            max_errors=self.limits.max_errors,
            plans=prepared.operation.plans,
        )
        if isinstance(executor, list):
            self.metrics.operation(prepared.operation.type.value, "refused", 0.0)
            raise Refused([formatted("BAD_USER_INPUT", error.message, error=error) for error in executor])
        return executor

    def _look(self, deadline: float) -> Callable[[], None]:
        clock = self.clock

        def look() -> None:
            if clock() > deadline:
                raise DeadlinePassed

        return look

    async def _awaited(
        self,
        prepared: Prepared,
        result: Awaitable[ExecutionResult],
        correlation_id: str,
        started: float,
        deadline: float,
    ) -> Answer:
        try:
            async with asyncio.timeout(max(deadline - self.clock(), 0.0)):
                executed = await result
        except (TimeoutError, DeadlinePassed):
            raise self._timed_out(prepared, started) from None
        return self._answered(prepared, executed, correlation_id, started)

    def _answered(self, prepared: Prepared, result: ExecutionResult, correlation_id: str, started: float) -> Answer:
        answer: Answer = {}
        outcome = "ok"
        if result.errors:
            outcome = "errors"
            answer["errors"] = errors = self._masked(result.errors, correlation_id)
            if any(_code(error) == "INTERNAL" for error in errors):
                outcome = "internal"
        elif prepared.operation.introspective:
            self._keep_introspection(prepared, result)
        answer["data"] = result.data
        self.metrics.operation(prepared.operation.type.value, outcome, self.clock() - started)
        return answer

    def _masked(self, errors: list[GraphQLError], correlation_id: str) -> list[Formatted]:
        return masked(errors, correlation_id=correlation_id, at_most=self.limits.max_errors)

    def _timed_out(self, prepared: Prepared, started: float) -> Refused:
        self.metrics.operation(prepared.operation.type.value, "timeout", self.clock() - started)
        return Refused([_timeout(prepared.operation.type.value)], status=503)

    def _known_introspection(self, prepared: Prepared) -> orjson.Fragment | None:
        if not prepared.operation.introspective:
            return None
        return self._introspected.get(_introspection_key(prepared))

    def _keep_introspection(self, prepared: Prepared, result: ExecutionResult) -> None:
        self._introspected[_introspection_key(prepared)] = orjson.Fragment(orjson.dumps(result.data))
        while len(self._introspected) > MAX_INTROSPECTIONS:
            self._introspected.popitem(last=False)


def encode(answer: Answer, correlation_id: str) -> bytes:
    """The answer as JSON. What cannot be encoded is a bug of a resolver, and told as one."""
    try:
        return orjson.dumps(answer)
    except orjson.JSONEncodeError as error:
        return orjson.dumps({"errors": [internal(error, correlation_id=correlation_id)]})


def _introspection_key(prepared: Prepared) -> tuple[bytes, str | None, bytes]:
    variables = orjson.dumps(prepared.variables, option=orjson.OPT_SORT_KEYS)
    return prepared.document.digest, prepared.operation.name, variables


def _code(error: Formatted) -> object:
    extensions = error.get("extensions")
    return extensions.get("code") if isinstance(extensions, dict) else None


def _timeout(kind: str) -> Formatted:
    message, remedy = f"the {kind} was not answered in time", "ask for less at once"
    if is_compiling():
        message += f": {COMPILING}"
        remedy = "try again in a minute"
    if kind == "mutation":
        remedy = "the change may have been made: send it again with the same idempotencyKey"
    return formatted("EXECUTION_TIMEOUT", message, remedy=remedy, retryable=True)
