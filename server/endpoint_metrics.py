"""What the endpoint tells whoever counts: plain callables, so that it knows nothing of a metrics library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _ignore(*_values: object) -> None:
    """The default of each: nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointMetrics:
    """Called on the event loop; each must return at once and never raise."""

    operation: Callable[[str, str, float], None] = _ignore
    """An operation was answered: `query`, `mutation` or `subscription`; `ok`, `errors`, `refused`, `timeout` or
    `internal`; seconds from its preparation to its answer (for a subscription to its acceptance)."""
    refused: Callable[[str], None] = _ignore
    """A request was answered with nothing but an error, of this code."""
    document: Callable[[bool], None] = _ignore
    """A document was looked up; True: it was there."""
    connections: Callable[[int], None] = _ignore
    """One WebSocket connection more (1) or less (-1)."""
    subscriptions: Callable[[int], None] = _ignore
    """One subscription more or less."""
    groups: Callable[[int], None] = _ignore
    """One group of subscribers more or less."""
    event: Callable[[int, int], None] = _ignore
    """An event was encoded once, of so many bytes, for so many subscribers."""
    behind: Callable[[], None] = _ignore
    """A subscriber's connection was full: it catches up alone."""
    resync: Callable[[str], None] = _ignore
    """A subscriber was told to begin anew, for this reason."""
    closed: Callable[[int], None] = _ignore
    """The server closed a WebSocket connection with this code."""
