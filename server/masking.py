"""How errors leave the server: what a caller may act on is told, what is a bug is named by a correlation id only.

A message of an exception may hold another tenant's names, a path or a query. So nothing is passed on because it looks
harmless: only errors that this endpoint made about the caller's own text, and `RequestProblem`s, which say by their type
that their words are meant for the caller. The rest is logged with its traceback under the correlation id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import structlog
from graphql import GraphQLError

from graph.refusal import Refusal
from graph.store import StoreUnavailable
from resolvers.problems import RequestProblem, StoreAway

Formatted: TypeAlias = dict[str, object]
"""One entry of `errors`, ready to be encoded."""

MAX_MESSAGE = 500
"""Characters of a message that repeats what the caller sent."""

_MEASURES = frozenset({"depth", "cost"})
"""Limits of one figure; the others count things, and are named in the plural."""

_log = structlog.get_logger("edgeatlas.graphql")


class Refused(Exception):
    """A request that is answered before, or instead of, being executed.

    `status` is the HTTP status for clients of `application/graphql-response+json`; `wellformed` says that the request was
    one of GraphQL over HTTP, for which clients of the older `application/json` expect 200 (GraphQL over HTTP, 6.4.1).
    """

    def __init__(
        self,
        errors: Sequence[Formatted],
        *,
        status: int = 400,
        wellformed: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(str(errors[0]["message"]))
        self.errors = list(errors)
        self.status = status
        self.wellformed = wellformed
        self.headers = dict(headers or {})

    @property
    def code(self) -> str:
        """The code of the first error."""
        extensions = self.errors[0]["extensions"]
        return str(extensions["code"]) if isinstance(extensions, dict) else ""


def formatted(
    code: str, message: str, *, remedy: str | None = None, error: GraphQLError | None = None, **extensions: object
) -> Formatted:
    """An entry of `errors` with its code, and with the place in the document or the answer that `error` knows."""
    entry: Formatted = {"message": message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + "…"}
    if error is not None:
        if error.locations:
            entry["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
        if error.path is not None:
            entry["path"] = error.path
    entry["extensions"] = {"code": code, **({"remedy": remedy} if remedy else {}), **extensions}
    return entry


def limit_exceeded(limit: str, *, have: int | None, allowed: int, remedy: str, status: int = 400) -> Refused:
    """The refusal of a request that is larger than one of the limits; `have` is None when counting stopped there."""
    if limit in _MEASURES:
        found = f"the request's {limit} is {have if have is not None else 'too great'}"
    else:
        found = f"too many {limit}" + (f": {have}" if have is not None else "")
    verb = "is" if limit in _MEASURES or allowed == 1 else "are"
    return Refused(
        [
            formatted(
                "LIMIT_EXCEEDED",
                f"{found}; at most {allowed} {verb} allowed",
                remedy=remedy,
                limit=limit,
                have=have,
                allowed=allowed,
            )
        ],
        status=status,
    )


def masked(errors: Sequence[GraphQLError], *, correlation_id: str, at_most: int) -> list[Formatted]:
    """The errors of an execution as the caller may see them; bugs are logged, and told by the correlation id."""
    told: list[Formatted] = []
    for error in errors[:at_most]:
        cause = error.original_error
        if isinstance(cause, StoreUnavailable):
            cause = StoreAway()
        if isinstance(cause, Refusal):
            cause = refused(cause)
        if isinstance(cause, RequestProblem):
            told.append(problem(cause, error=error))
        else:
            told.append(internal(cause or error, correlation_id=correlation_id, error=error))
    return told


def refused(cause: Refusal) -> RequestProblem:
    """A refusal that a read field raised for its own arguments: it has no union to be told in."""
    extensions = {"argument": cause.path} if cause.path else {}
    return RequestProblem(
        cause.code, cause.message, remedy=cause.remedy, retryable=cause.retryable, extensions=extensions
    )


def problem(cause: RequestProblem, *, error: GraphQLError | None = None) -> Formatted:
    """A problem in its own words."""
    extensions = dict(cause.extensions)
    if cause.retryable:
        extensions["retryable"] = True
    extensions.pop("code", None)
    extensions.pop("remedy", None)
    entry = formatted(cause.code, cause.message, remedy=cause.remedy, error=error)
    entry["extensions"] = {**extensions, **entry["extensions"]}  # type: ignore[dict-item]  # it is the dict made above
    return entry


def internal(cause: BaseException, *, correlation_id: str, error: GraphQLError | None = None) -> Formatted:
    """A bug: logged with its traceback, told without its words."""
    _log.error(
        "graphql.internal_error",
        correlation_id=correlation_id,
        path=error.path if error is not None else None,
        exc_info=(type(cause), cause, cause.__traceback__),
    )
    return formatted(
        "INTERNAL",
        "internal error: the server's log tells more under the correlation id",
        remedy="report the correlation id to the operator",
        error=error,
        correlationId=correlation_id,
    )
