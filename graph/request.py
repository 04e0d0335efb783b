"""What is asked of the ledger beside the change itself, and what it answers.

Whoever asks is part of a commit and of its audit record; an idempotency key lets the same be asked again without being
done again. All of these are values that are made anew for each change, so they are small and cheap to make.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from graph.change import IdempotencyRecord
from graph.entity import SYSTEM_SOURCE, Source
from graph.refusal import IdempotencyMismatch

R = TypeVar("R")


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's idempotency key, under the caller's own scope, and what the same key must come with again."""

    key: str
    body_digest: str


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a change and as what; it goes into the commit and its audit record."""

    author: str
    """The id of the user, service account or part of the system."""
    action: str
    """Such as `createSite`."""
    tenant_id: str | None = None
    """Whose audit it belongs to; None: the installation's."""
    correlation_id: str = ""
    source: Source = SYSTEM_SOURCE
    idempotency: Idempotency | None = None
    audited: bool = True
    background: bool = False
    """Whether nobody waits for it: it is then written after what somebody does wait for."""


class Committed(msgspec.Struct, Generic[R], frozen=True):
    """What a change function returned, and the revision that it was committed at."""

    value: R
    revision: int
    replayed: bytes | None = None
    """JSON of the first answer when the idempotency key had been used before; `value` is then None."""


def answered_before(record: IdempotencyRecord, asked: Idempotency) -> Committed[None] | IdempotencyMismatch:
    """What a key that was used before is answered: its first answer, or a refusal when it comes with another body."""
    if record.body_digest != asked.body_digest:
        return IdempotencyMismatch(
            "this idempotency key was used with another input",
            remedy="use a new key for a new request",
            path="input.idempotencyKey",
        )
    return Committed(None, record.revision, bytes(record.result))
