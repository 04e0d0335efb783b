"""Traces by OpenTelemetry, when a place for them is configured; otherwise spans cost next to nothing.

Code opens spans through `span`, which uses OpenTelemetry's API alone. Without `configure` that API's no-op tracer is
behind it. Packages below `server` may use `opentelemetry.trace` directly in the same way: they then need no tracer
handed in, and whether there is one is decided here, at the start. Spans are exported in batches by a thread, so an
absent collector delays nobody; what it cannot take is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Span, Status, StatusCode

from server.logs import redact_text

NAME = "edgeatlas"
_EXPORT_TIMEOUT_S = 5.0
_QUEUE = 8_192
Value = str | int | float | bool


def configure(endpoint: str, *, version: str, exporter: SpanExporter | None = None) -> Callable[[], None]:
    """Send traces to `endpoint` (OTLP over HTTP; the path /v1/traces is added when there is none); once a process.

    Returns what flushes and ends it at shutdown, for at most a few seconds. With "" nothing is set up. `exporter` stands
    in for the one of OTLP.
    """
    if not endpoint and exporter is None:
        return lambda: None
    after_scheme = endpoint.partition("://")[2]
    address = endpoint if after_scheme.rstrip("/").count("/") else f"{endpoint.rstrip('/')}/v1/traces"
    exporter = exporter or OTLPSpanExporter(endpoint=address, timeout=_EXPORT_TIMEOUT_S)
    provider = TracerProvider(
        resource=Resource.create({"service.name": NAME, "service.version": version}),
        sampler=ParentBased(ALWAYS_ON),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
    trace.set_tracer_provider(provider)

    def end() -> None:
        provider.force_flush(int(_EXPORT_TIMEOUT_S * 1000))
        provider.shutdown()

    return end


@contextmanager
def span(name: str, /, **attributes: Value | None) -> Iterator[Span]:
    """A span around a piece of work, under the current one. An exception marks it failed, without secrets, and passes.

    Attributes that are None are left out.
    """
    known = {key: value for key, value in attributes.items() if value is not None}
    with trace.get_tracer(NAME).start_as_current_span(
        name, attributes=known, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except BaseException as failure:
            if opened.is_recording():
                opened.set_status(Status(StatusCode.ERROR, f"{type(failure).__name__}: {redact_text(str(failure))}"))
            raise
