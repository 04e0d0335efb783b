"""One operation under its correlation id and its span: the same over HTTP and over WebSocket.

What is logged while an operation runs names the caller's correlation id, and its span hangs under the caller's own trace
when there is one. Errors are data, so an answer that has some would leave its span as if all were well: it is marked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from server.execution import Answer, Engine, Prepared, Viewer
from server.logs import bind_request
from server.tracing import failed, span

V = TypeVar("V", bound=Viewer)
Transport = Literal["http", "websocket"]


async def answered(
    engine: Engine[V],
    prepared: Prepared,
    viewer: V,
    correlation_id: str,
    *,
    transport: Transport,
    caller: Context | None,
) -> Answer:
    """Runs a query or mutation. Raises Refused as `Engine.run` does."""
    with operating(prepared, viewer, correlation_id, transport=transport, caller=caller) as opened:
        running = engine.run(prepared, viewer, correlation_id)
        answer = running if isinstance(running, dict) else await running
        errors = answer.get("errors")
        if isinstance(errors, list) and opened.is_recording():
            codes = {str(one.get("extensions", {}).get("code")) for one in errors if isinstance(one, dict)}
            failed(opened, ", ".join(sorted(codes)))
    return answer


@contextmanager
def operating(
    prepared: Prepared, viewer: Viewer, correlation_id: str, *, transport: Transport, caller: Context | None
) -> Iterator[Span]:
    """Around the execution of an operation, or around the start of a subscription."""
    operation = prepared.operation
    with (
        bind_request(correlation_id=correlation_id, viewer=viewer.id),
        span(
            "graphql.operation",
            {
                "graphql.operation.type": operation.type.value,
                "graphql.operation.name": operation.name,
                "graphql.transport": transport,
                "correlation_id": correlation_id,
            },
            parent=caller,
            kind=SpanKind.SERVER,
        ) as opened,
    ):
        yield opened
