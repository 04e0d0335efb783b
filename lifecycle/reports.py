"""What the lifecycle tells whoever counts: callables, so that it knows nothing of metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _ignore(*_values: object) -> None:
    """The default of each: nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkReports:
    """Called on the event loop; each must return at once and never raise."""

    claimed: Callable[[float], None] = _ignore
    """A release was claimed so many seconds after it first rang with something to do."""
    applied: Callable[[bool], None] = _ignore
    """A backend holds what was asked for; whether the call changed anything."""
    fenced: Callable[[str], None] = _ignore
    """Something older was refused: a `result` at head, a `generation` by a backend, or an `observer`."""
