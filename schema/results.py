"""What mutations answer: a payload, or one of the errors that the mutation can meet, as a union."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry

from schema.vocabulary import Member, object_type, resolver_field, union_type

COMMON = ("InvalidInput", "NotFound", "Forbidden", "LimitExceeded", "IdempotencyMismatch", "Unavailable")
"""Errors that every mutation can meet."""

EPOCH_TEXT = "The graph's epoch, in which the revision has its meaning."
EPOCH: Member = ("str", strawberry.field(description=EPOCH_TEXT))
"""The field beside a revision that a client keeps."""


class Payload:
    """A mutation's payload of a named type; its fields are attributes."""

    def __init__(self, typename: str, **fields: Any) -> None:
        self.typename = typename
        self.__dict__.update(fields)


def payload_type(name: str, members: Mapping[str, Member], *, description: str) -> str:
    """The GraphQL name of a payload; the revision at which the change was made, and its epoch, come of themselves."""
    whole: dict[str, Member] = dict(members)
    whole["revision"] = ("BigInt", strawberry.field(description="The revision of the graph at which this was done."))
    whole["epoch"] = (
        None,
        resolver_field(_epoch, returns="str", description=f"{EPOCH_TEXT} Give both to the next read."),
    )
    object_type(name, whole, description=description)
    return name


def _epoch(payload: Payload, info: Any) -> str:
    epoch: str = info.context.view.epoch
    return epoch


def result_union(name: str, payload: str, errors: Sequence[str] = ()) -> str:
    """The GraphQL name of a mutation's result: its payload or an error."""
    members = (payload, *sorted({*COMMON, *errors}))
    return union_type(name, members, description="What was made, or why not.")
