"""Refusals: what a caller did wrong or met, as typed values that reach the caller as data.

Each names the thing, the input field where there is one, and the remedy. They are raised inside a change function and leave
nothing behind; the API turns each into the member of its result unions with the same name.
"""

from __future__ import annotations

from collections.abc import Sequence


class Refusal(Exception):
    """A request that cannot be granted; nothing was changed."""

    code = "REFUSED"
    retryable = False

    def __init__(self, message: str, *, remedy: str | None = None, path: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.path = path
        """The input field: `input.labels[2].key`."""


class InvalidInput(Refusal):
    """A value that cannot be accepted."""

    code = "INVALID_INPUT"


class NotFound(Refusal):
    """Nothing that the caller may see has this id or name."""

    code = "NOT_FOUND"

    def __init__(self, what: str, key: str, *, path: str | None = None, remedy: str | None = None) -> None:
        super().__init__(f"there is no {what} {key!r}", remedy=remedy or "check the id or name", path=path)
        self.what = what
        self.key = key


class AlreadyExists(Refusal):
    """The name or external id is taken in its scope."""

    code = "ALREADY_EXISTS"

    def __init__(self, message: str, *, existing_id: str, path: str | None = None) -> None:
        super().__init__(message, remedy="choose another name, or update the one that exists", path=path)
        self.existing_id = existing_id


class Conflict(Refusal):
    """The entity has changed since the caller read it."""

    code = "CONFLICT"

    def __init__(self, message: str, *, entity_id: str, current_revision: int, path: str | None = None) -> None:
        super().__init__(message, remedy="read it again and decide anew", path=path)
        self.entity_id = entity_id
        self.current_revision = current_revision


class InUse(Refusal):
    """Others depend on it. Holds all dependents; whoever shows them shows 20 and a count."""

    code = "IN_USE"

    def __init__(
        self, message: str, *, dependents: Sequence[str], path: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy or "delete these first, or ask for a cascade", path=path)
        self.dependents = tuple(dependents)


class Forbidden(Refusal):
    """The caller may see it but may not do this."""

    code = "FORBIDDEN"


class IdempotencyMismatch(Refusal):
    """The key was used with another body."""

    code = "IDEMPOTENCY_MISMATCH"


class LimitExceeded(Refusal):
    """More than a commit, a list or a quota takes."""

    code = "LIMIT_EXCEEDED"


class CapacityGone(Refusal):
    """What placement chose no longer fits at head."""

    code = "CAPACITY_GONE"
    retryable = True

    def __init__(
        self, message: str, *, remedy: str | None = None, path: str | None = None, figures: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, path=path)
        self.figures = figures
        """The message with what is free, which is for those who may see what every tenant uses."""


class Unavailable(Refusal):
    """The store is away or full, or this process may not write: nothing was done, try again."""

    code = "UNAVAILABLE"
    retryable = True


class InvalidState(Refusal):
    """What is asked is not possible in the state that the thing is in."""

    code = "INVALID_STATE"
