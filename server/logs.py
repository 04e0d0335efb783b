"""Structured logs: one line an event, for people or as JSON, of our own code and of the libraries alike.

Every line goes through one chain. A request's correlation id is put on all that is logged while it is answered, so that
the id in an error's `extensions` finds its lines. What is secret is taken out here, at the last place before the line is
written: by the name of the key, and inside URLs and headers by their form. It is the second net: code does not log
secrets in the first place.

Logs go to standard error, which leaves standard output to what a command answers.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "***"
_SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|secret(?!s?_(count|id|name)$)|token(?!s?_(count|id|name)$)|authori[sz]ation|cookie|credential"
    r"|api_?key|private_?key|encryption_?key|csrf|session_?id|kubeconfig|link_code",
    re.IGNORECASE,
)
_COUNTED = (bool, int, float, type(None))
_URL_USER = re.compile(r"(?<=://)[^/\s:@\"']*:[^/\s\"']*(?=@)")
_ASSIGNED_SECRET = re.compile(
    r"""(?ix)((?:^|[?&\#;\s])(?:[a-z_]*token|[a-z_]*password|[a-z_]*secret)=  # anywhere
        |[?&](?:code|key|signature)=)                                        # only as a URL's parameter
        [^&\s"'\#;]+"""
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{6,}")
_CHATTY = (
    "uvicorn.access", "uvicorn.error", "httpx", "httpcore", "neo4j.notifications", "neo4j.pool", "neo4j.io",
)  # fmt: skip
_DEEPEST = 8
_LONGEST = 20_000


def configure(
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Set up logging for the whole process; called once, when a command starts. `stream` is standard error by default."""
    stream = stream or sys.stderr
    renderer: Processor = (
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # A traceback becomes text before redaction: an exception's message may hold what was refused.
    last: list[Processor] = [structlog.processors.format_exc_info, redact, renderer]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _without_colours],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in list(logging.root.manager.loggerDict):  # libraries that set themselves up write as we do
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # Each request, WebSocket and notification of the database would be a line: those are the metrics' to count.
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


@contextmanager
def bind_request(*, correlation_id: str, **more: str) -> Iterator[None]:
    """Put the correlation id, and what else names the request, on every line that is logged within, in this task."""
    with structlog.contextvars.bound_contextvars(correlation_id=correlation_id, **more):
        yield


def correlation_id() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    value = structlog.contextvars.get_contextvars().get("correlation_id")
    return value if isinstance(value, str) else None


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Take secrets out of a line: values of keys that name one, and what has the form of one in any text."""
    return {key: _clean(value, key=key, depth=0) for key, value in event.items()}


def _without_colours(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Drop the second copy of its message that uvicorn adds for terminals."""
    event.pop("color_message", None)
    return event


def redact_text(text: str) -> str:
    """A text without passwords in URLs, secret query parameters and authorization headers."""
    text = _URL_USER.sub(lambda found: found[0].split(":", 1)[0] + ":" + HIDDEN, text)
    text = _ASSIGNED_SECRET.sub(lambda found: found[1] + HIDDEN, text)
    return _BEARER.sub(lambda found: f"{found[1]} {HIDDEN}", text)


def _clean(value: object, *, key: str, depth: int) -> object:
    """`value` as it may be written under `key`. Numbers and truth values are no secrets, whatever their key."""
    if isinstance(value, _COUNTED):
        return value
    if key and _SECRET_KEY.search(key):
        return HIDDEN if value else value
    if isinstance(value, str):
        return redact_text(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}… ({len(value)} characters)")
    if depth >= _DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        return {each: _clean(inner, key=str(each), depth=depth + 1) for each, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(inner, key="", depth=depth + 1) for inner in value]
    return redact_text(str(value))
