"""The scalars that GraphQL lacks: big integers, times and free JSON."""

from __future__ import annotations

import datetime
import re
from typing import Any, NewType

import strawberry
from graphql import GraphQLError

from graph.entity import TimestampMs

SAFE_INTEGER = 2**53 - 1
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_FIRST = (datetime.datetime(1, 1, 1, tzinfo=datetime.UTC) - _EPOCH) // _MILLISECOND
_LAST = (datetime.datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=datetime.UTC) - _EPOCH) // _MILLISECOND
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _to_big_int(value: Any) -> int:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole:
        raise GraphQLError(f"BigInt cannot represent {value!r}: it is no whole number")
    if abs(value) > SAFE_INTEGER:
        raise GraphQLError(f"BigInt cannot represent {value!r}: it is beyond 2^53-1")
    return int(value)


def _from_milliseconds(value: Any) -> str:
    moment = _EPOCH + datetime.timedelta(milliseconds=int(value))
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_milliseconds(value: Any) -> TimestampMs:
    """UTC milliseconds of an RFC 3339 text, what is finer cut off. Raises GraphQLError when it is none."""
    try:
        if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
            raise ValueError
        at = (datetime.datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise GraphQLError(
            f"DateTime cannot represent {value!r}: write RFC 3339 with an offset, such as 2026-01-31T12:00:00Z"
        ) from None
    if not _FIRST <= at <= _LAST:
        raise GraphQLError(f"DateTime cannot represent {value!r}: in UTC it is not within the years 1 to 9999")
    return at


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
