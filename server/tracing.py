"""Traces by OpenTelemetry, when a place for them is configured; otherwise spans cost next to nothing.

Code opens spans through `span`, which uses OpenTelemetry's API alone. Without `configure` that API's no-op tracer is
behind it. Packages below `server` may use `opentelemetry.trace` directly in the same way: they then need no tracer
handed in, and whether there is one is decided here, at the start. Spans are exported in batches by a thread, so an
absent collector delays nobody; what it cannot take is dropped.

A caller's own trace goes on here when the caller says which it is (W3C Trace Context, w3.org/TR/trace-context). What a
caller says is data of a stranger: it is bounded and checked, decides nothing but where our spans hang and whether they
are sampled, and what is malformed is as if it had not been said.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import INVALID_SPAN, Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.logs import redact_text

NAME = "edgeatlas"
_EXPORT_TIMEOUT_S = 5.0
_QUEUE = 8_192
_LONGEST_TEXT = 512
"""Characters of an attribute and of a failure's text: callers choose names of operations, and provoke errors."""
_LONGEST_PARENT = 256
"""Characters of a `traceparent`: version 00 has 55, later ones may have more."""
_LONGEST_STATE = 512
"""Characters of a `tracestate` that must be passed on (Trace Context, 3.3.1.5); a longer one is left out."""
_TRACE_CONTEXT = TraceContextTextMapPropagator()
Attributes = Mapping[str, str | int | float | bool | None]
_NONE: Attributes = {}


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
    # They warn of what is malformed in a caller's headers, with its text: a caller could fill the log.
    for of_strangers in ("opentelemetry.trace.span", "opentelemetry.trace.propagation.tracecontext"):
        logging.getLogger(of_strangers).setLevel(logging.ERROR)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUE))
    trace.set_tracer_provider(provider)

    def end() -> None:
        provider.force_flush(int(_EXPORT_TIMEOUT_S * 1000))
        provider.shutdown()

    return end


def enabled() -> bool:
    """Whether spans go anywhere."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


@contextmanager
def span(
    name: str,
    attributes: Attributes = _NONE,
    /,
    *,
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
) -> Iterator[Span]:
    """A span around a piece of work, under the current one or `parent`.

    An exception marks it failed, without secrets, and passes. Attributes that are None are left out.
    """
    opened = start_span(name, attributes, parent=parent, kind=kind)
    with within(opened):
        yield opened
    opened.end()


def start_span(
    name: str,
    attributes: Attributes = _NONE,
    /,
    *,
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    caused_by: Context | None = None,
) -> Span:
    """A span for work that ends elsewhere: whoever starts it sees that it is ended. `caused_by` is linked, not above it."""
    if not enabled():
        return INVALID_SPAN
    return trace.get_tracer(NAME).start_span(
        name,
        context=parent,
        kind=kind,
        attributes={
            key: value[:_LONGEST_TEXT] if isinstance(value, str) else value
            for key, value in attributes.items()
            if value is not None
        },
        links=[Link(trace.get_current_span(caused_by).get_span_context())] if caused_by is not None else None,
    )


@contextmanager
def within(opened: Span) -> Iterator[None]:
    """Makes a span the current one for a while. It stays open, unless an exception passes: that marks and ends it."""
    if opened is INVALID_SPAN:
        yield
        return
    # One that is not sampled is made current as well, or what is below it would begin a trace of its own.
    with trace.use_span(opened, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except BaseException as failure:
            failed(opened, f"{type(failure).__name__}: {failure}")
            opened.end()
            raise


def failed(opened: Span, reason: str) -> None:
    """Marks a span failed, without secrets."""
    if opened.is_recording():
        opened.set_status(Status(StatusCode.ERROR, redact_text(reason[: 4 * _LONGEST_TEXT])[:_LONGEST_TEXT]))


def here() -> Context | None:
    """Where the current span is, for work that goes on in another task; None where nothing is traced."""
    return get_current() if trace.get_current_span().get_span_context().is_valid else None


def caller_in_headers(headers: Iterable[tuple[bytes, bytes]]) -> Context | None:
    """The caller's trace, from the headers of a request in ASGI's form; None when there is none to go on with."""
    if not enabled():
        return None
    parents: list[str] = []
    states: list[str] = []
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value.decode("latin-1"))
        elif name == b"tracestate":
            states.append(value.decode("latin-1"))
    # More than one parent is none (Trace Context, 3.2); the lists of states are one list.
    return _remote(parents[0], ",".join(states)) if len(parents) == 1 else None


def caller_in_payload(payload: dict[str, object]) -> Context | None:
    """The caller's trace, from the payload of a `connection_init`; None when there is none to go on with."""
    return _remote(payload.get("traceparent"), payload.get("tracestate")) if enabled() else None


def _remote(parent: object, state: object) -> Context | None:
    if not isinstance(parent, str) or len(parent) > _LONGEST_PARENT:
        return None
    carrier = {"traceparent": parent}
    if isinstance(state, str) and 0 < len(state) <= _LONGEST_STATE:
        carrier["tracestate"] = state
    found = _TRACE_CONTEXT.extract(carrier, context=Context())
    return found if trace.get_current_span(found).get_span_context().is_valid else None
