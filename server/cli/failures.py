"""How commands end: exit codes that scripts can rely on, and errors as one person tells another.

| code | meaning |
|---|---|
| 0 | done |
| 1 | an error that none of the others is; a bug of the server is reported with its correlation id |
| 2 | the command line was wrong |
| 3 | what was named does not exist, or is not visible to you |
| 4 | refused: not signed in, not allowed, invalid, in conflict, or not placeable |
| 5 | the server or its store does not answer; the same command may succeed later |
| 6 | it took longer than --timeout; the work goes on |
| 7 | an operation ended, but not well: PARTIAL, FAILED, CANCELLED or SUPERSEDED |
| 130 | interrupted |
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; the table above is the documentation."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    UNAVAILABLE = 5
    TIMED_OUT = 6
    FAILED = 7
    INTERRUPTED = 130


class Failure(Exception):
    """Ends a command with a message, what to do about it, and an exit code."""

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        path: str | None = None,
        code: Exit = Exit.ERROR,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.path = path
        """The input field that is wrong."""
        self.code = code
        self.details = tuple(details)
        """Further lines, one a thing that is wrong."""


class Ambiguous(Failure):
    """What was named may be several things."""


REFUSALS = {"NOT_FOUND": Exit.NOT_FOUND, "UNAVAILABLE": Exit.UNAVAILABLE, "STORE_UNAVAILABLE": Exit.UNAVAILABLE}
"""Exit codes by the API's error codes; a retryable one is UNAVAILABLE, every other REFUSED."""


def exit_of(code: str | None, *, retryable: bool = False) -> Exit:
    """The exit code for an error of the API."""
    if code in REFUSALS:
        return REFUSALS[code]
    if code == "INTERNAL":
        return Exit.ERROR
    return Exit.UNAVAILABLE if retryable else Exit.REFUSED
