"""The scalars that GraphQL lacks: big integers, times and free JSON."""

from __future__ import annotations

import datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from graph.entity import TimestampMs

SAFE_INTEGER = 2**53 - 1
_UTC = datetime.UTC


def _to_big_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise GraphQLError(f"BigInt cannot represent {value!r}: it is no whole number")
    if abs(value) > SAFE_INTEGER:
        raise GraphQLError(f"BigInt cannot represent {value!r}: it is beyond 2^53-1")
    return int(value)


def _from_milliseconds(value: Any) -> str:
    seconds, milliseconds = divmod(int(value), 1000)
    text = datetime.datetime.fromtimestamp(seconds, _UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds:03d}Z"


def to_milliseconds(value: Any) -> TimestampMs:
    """UTC milliseconds of an RFC 3339 text. Raises GraphQLError when it is none or has no offset."""
    try:
        moment = datetime.datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError(
            f"DateTime cannot represent {value!r}: write RFC 3339, such as 2026-01-31T12:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise GraphQLError(f"DateTime cannot represent {value!r}: it has no offset, write Z for UTC")
    return int(moment.timestamp() * 1000)


BigInt = NewType("BigInt", int)
DateTime = NewType("DateTime", int)
Json = NewType("Json", object)

SCALARS: dict[Any, Any] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number up to 2^53-1 either way, as every JSON reader takes it.",
        serialize=int,
        parse_value=_to_big_int,
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC with milliseconds, RFC 3339: `2026-01-31T12:00:00.000Z`.",
        serialize=_from_milliseconds,
        parse_value=to_milliseconds,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
    ),
    Json: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
    ),
}
"""How the scalars are written and read, for the schema's configuration."""
