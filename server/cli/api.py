"""The client: queries and mutations over HTTP, errors as `Failure`.

Every mutation that takes one carries an idempotency key, made once for the command. So when a reply is lost, as when the
server is killed at that moment, or comes too late, the same request is sent again, and what was done is not done twice.
"""

from __future__ import annotations

import json
import os
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import httpx

from server.cli.config import LOGIN, Context
from server.cli.failures import Exit, Failure, exit_of

TIMEOUT_S = 60.0
RETRIES = 4
RETRY_PAUSE_S = 0.5
MAX_ANSWER_BYTES = 256 * 2**20
CONFLICTS = 8
"""How often a change is worked out anew from what there is, when that has changed since it was read."""

ERROR_FIELDS = "... on Error { code message remedy path retryable }"
IN_USE = "... on InUse { dependentCount dependents { id __typename ... on Named { name } } }"

Json = dict[str, Any]
T = TypeVar("T")


class Api:
    """Calls one server as one user. Not shared between threads."""

    def __init__(
        self,
        context: Context,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`transport` replaces the network, in tests of what is sent."""
        self.context = context
        self._sleep = sleep
        self._types: dict[str, Any] = {}
        headers = {"Accept": "application/json", "User-Agent": "edgeatlas-cli"}
        if context.token:
            headers["Authorization"] = f"Bearer {context.token}"
        self.http = httpx.Client(
            base_url=context.url,
            headers=headers,
            timeout=httpx.Timeout(TIMEOUT_S, connect=5.0),
            verify=verification(context),
            transport=transport,
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def query(self, document: str, variables: Mapping[str, Any] | None = None) -> Json:
        """The data of a query. Raises Failure for every error, partial data included."""
        answer = self.raw(document, variables)
        if answer.get("errors"):
            raise failure_of(answer["errors"])
        data: Json = answer["data"]
        return data

    def raw(self, document: str, variables: Mapping[str, Any] | None = None) -> Json:
        """The answer as the server gave it. Raises Failure when there is none.

        The same body is sent again when the connection breaks, so a mutation's variables hold an idempotency key.
        """
        body = {"query": document, "variables": dict(variables or {})}
        try:
            content = json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:
            raise Failure("NaN and Infinity cannot be sent", remedy="give finite numbers", code=Exit.USAGE) from None
        for attempt in range(RETRIES + 1):
            try:
                response = self.http.post("/graphql", content=content, headers={"Content-Type": "application/json"})
                break
            except httpx.ConnectError as problem:
                # Nothing was sent. At the first attempt there is no server; later it may be starting again.
                if attempt in (0, RETRIES):
                    raise no_server(self.context.url, problem) from None
            except httpx.TimeoutException:
                raise Failure(
                    f"{self.context.url} did not answer within {TIMEOUT_S:.0f} s", code=Exit.UNAVAILABLE
                ) from None
            except (httpx.TransportError, httpx.DecodingError) as problem:
                if attempt == RETRIES or ("mutation" in document and "idempotencyKey" not in str(body["variables"])):
                    raise Failure(
                        f"the connection to {self.context.url} broke: {problem}",
                        remedy="check what was done, then try again",
                        code=Exit.UNAVAILABLE,
                    ) from None
            self._sleep(RETRY_PAUSE_S * 2**attempt)
        return _answer(response, self.context)

    def mutate(
        self, name: str, values: Mapping[str, Any], selection: str, *, extra: str = "", key: bool = True
    ) -> Json:
        """The payload of a mutation `name(input)`; `extra` selects of error types beside `Error`'s own fields.

        Raises Failure with the typed error's message, remedy and path.
        """
        upper = name[0].upper() + name[1:]
        document = (
            f"mutation($input: {upper}Input!) {{ {name}(input: $input) {{ __typename "
            f"... on {upper}Payload {{ {selection} }} {ERROR_FIELDS} {extra} }} }}"
        )
        given = {one: value for one, value in values.items() if value is not None}
        if key:
            given["idempotencyKey"] = f"cli-{uuid.uuid4()}"
        result: Json = self._sent(document, given)[name]
        if not result["__typename"].endswith("Payload"):
            raise refused(result)
        return result

    def _sent(self, document: str, given: Json) -> Json:
        """The data of a mutation; one that the server had no time to answer is sent again under its key.

        What it asked for may have been done meanwhile, and is then answered and not done again.
        """
        for attempt in range(RETRIES + 1):
            answer = self.raw(document, {"input": given})
            errors: list[Json] = answer.get("errors") or []
            if not errors:
                data: Json = answer["data"]
                return data
            late = (errors[0].get("extensions") or {}).get("code") == "EXECUTION_TIMEOUT"
            if not late or "idempotencyKey" not in given or attempt == RETRIES:
                break
            self._sleep(RETRY_PAUSE_S * 2**attempt)
        raise failure_of(errors)


class Refused(Failure):
    """A typed error of a mutation; `error` is all that was selected of it."""

    def __init__(self, error: Json) -> None:
        details = [
            f"{one['__typename']} {one.get('name') or one['id']} depends on it" for one in error.get("dependents") or ()
        ]
        more = error.get("dependentCount", 0) - len(details)
        super().__init__(
            str(error.get("message") or error["__typename"]),
            remedy=error.get("remedy"),
            path=error.get("path"),
            code=exit_of(error.get("code"), retryable=bool(error.get("retryable"))),
            details=[*details, *([f"and {more} more"] if more > 0 else [])],
        )
        self.error = error


def refused(error: Json) -> Failure:
    """The failure that a typed error is."""
    return Refused(error)


class TooCostly(Failure):
    """A request whose answer may be larger than the server allows; `share` is how much of it would not be."""

    def __init__(self, message: str, *, remedy: str | None, share: float) -> None:
        super().__init__(message, remedy=remedy, code=Exit.REFUSED)
        self.share = share


def failure_of(errors: list[Json]) -> Failure:
    """The failure that top-level errors are: the first, the others as details."""
    first = errors[0]
    extensions = first.get("extensions") or {}
    code = extensions.get("code")
    message = str(first.get("message", "the server refused the request"))
    if extensions.get("limit") == "cost" and extensions.get("have"):
        share = extensions["allowed"] / extensions["have"]
        return TooCostly(message, remedy=extensions.get("remedy"), share=share)
    if code == "INTERNAL" and extensions.get("correlationId"):
        message += f" (correlation id {extensions['correlationId']})"
    return Failure(
        message,
        remedy=LOGIN if code == "UNAUTHENTICATED" else extensions.get("remedy"),
        path=extensions.get("argument") or ".".join(str(one) for one in first.get("path") or ()),
        code=exit_of(code, retryable=bool(extensions.get("retryable"))),
        details=[str(one.get("message")) for one in errors[1:10]],
    )


def no_server(url: str, problem: Exception) -> Failure:
    """The failure that no server answers at a URL."""
    if "CERTIFICATE" in str(problem).upper():
        return Failure(
            f"the certificate of {url} is not trusted: {problem}",
            remedy="log in with --ca-file and the certificate of its authority",
            code=Exit.UNAVAILABLE,
        )
    return Failure(
        f"no server answers at {url}",
        remedy="start one with `edgeatlas serve`, or name another with --url",
        code=Exit.UNAVAILABLE,
    )


def until_no_conflict(once: Callable[[], T]) -> T:
    """What `once` gives, which reads what there is and changes it: done again while somebody else was quicker.

    Raises what it raises, and the last conflict after `CONFLICTS` of them.
    """
    for left in reversed(range(CONFLICTS)):
        try:
            return once()
        except Refused as refused:
            if refused.error.get("code") != "CONFLICT" or not left:
                raise
    raise AssertionError("the last try gives or raises")


def verification(context: Context) -> ssl.SSLContext | bool:
    """How the server's certificate is checked: never not."""
    if not context.url.startswith("https"):
        return True
    try:
        trusted = ssl.create_default_context()
        if context.ca_file:
            trusted.load_verify_locations(os.fspath(context.ca_file))
    except (OSError, ssl.SSLError) as problem:
        raise Failure(f"{context.ca_file} holds no certificates: {problem}", code=Exit.USAGE) from None
    return trusted


def _answer(response: httpx.Response, context: Context) -> Json:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if isinstance(answer, dict) and ("errors" in answer or isinstance(answer.get("data"), dict)):
        if response.status_code == 401 and not context.token:
            raise Failure(f"not signed in at {context.url}", remedy=LOGIN, code=Exit.REFUSED)
        if response.status_code == 401:
            raise Failure(f"the token for {context.url} is not valid any more", remedy=LOGIN, code=Exit.REFUSED)
        return answer
    status = response.status_code
    raise Failure(
        f"{context.url} answered {status} without a GraphQL answer",
        remedy="check that --url is an EdgeAtlas server's",
        code=Exit.UNAVAILABLE if status >= 500 else Exit.ERROR,
    )
